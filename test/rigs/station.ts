/** The HTTP server over real sockets, with a scripted station instead of a line. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import sharp, { type Sharp } from 'sharp';
import type { AuditDraft } from '../../agent/audit/entry.ts';
import type { WhereMapView } from '../../agent/evidence/where-view.ts';
import type { HttpDeps, ReadyCheck } from '../../agent/http/deps.ts';
import { type Http, openHttp } from '../../agent/http/http.ts';
import { createRecent, type RecentStore } from '../../agent/http/recent.ts';
import type { SetupTools } from '../../agent/http/setup-tools.ts';
import type { CameraView } from '../../agent/http/views.ts';
import { createMetrics } from '../../agent/metrics/metrics.ts';
import type { Result, Status } from '../../agent/publish/messages.ts';
import { LiveConfig } from '../../agent/settings/live-config.ts';
import { createSettings, type Settings } from '../../agent/settings/settings.ts';
import { openStatistics, type Statistics } from '../../agent/statistics/statistics.ts';
import { type ErrorCode, QcError } from '../../config/errors.ts';
import { httpSchema } from '../../config/http-schema.ts';
import { loadText } from '../../config/load.ts';
import { configSchema, type HttpConfig } from '../../config/schema.ts';
import type { Frame, Image } from '../../models/image.ts';
import { frameTimes } from './frame-times.ts';
import { result, status } from './publisher.ts';

export interface StationRig extends AsyncDisposable {
  /** Audit entries, newest last. */
  readonly recorded: AuditDraft[];
  /** Notices about tokens and certificate. */
  readonly notices: Map<string, string>;
  readonly http: Http;
  readonly recent: RecentStore;
  /** On disk; with shifts in UTC. */
  readonly statistics: Statistics;
  readonly log: string[];
  /** Images to classify, newest last. */
  readonly classified: Image[];
  readonly triggered: unknown[];
  watching: boolean;
  status: Status;
  checks: ReadyCheck[];
  cameras: CameraView[];
  /** Error of the next classify or trigger. */
  failure: unknown;
}

export async function openStationRig(
  config: Partial<HttpConfig> = {},
  more: Partial<Pick<HttpDeps, 'calibration' | 'past' | 'evidence' | 'aim' | 'setup'>> = {},
): Promise<StationRig> {
  const log: string[] = [];
  const metrics = createMetrics({ version: '0.1.0' });
  const recent = createRecent();
  const directory = await mkdtemp(join(tmpdir(), 'qc-station-'));
  const statistics = await openStatistics(
    configSchema.parse({
      station: 'press-3',
      cameras: { top: { url: 'rtsp://127.0.0.1/camera' } },
      shifts: { timeZone: 'UTC' },
      storage: { directory },
    }),
    { log: pino({ level: 'silent' }), version: '0.1.0', onFault: () => undefined },
  );
  const rig: Omit<StationRig, 'http' | typeof Symbol.asyncDispose> = {
    recent,
    statistics,
    log,
    classified: [],
    triggered: [],
    recorded: [],
    notices: new Map(),
    watching: false,
    status: status('inspecting'),
    checks: [{ name: 'broker', ready: true, reason: '' }],
    cameras: [camera('top')],
    failure: undefined,
  };
  const failIfTold = () => {
    if (rig.failure !== undefined) throw rig.failure;
  };
  const deps: HttpDeps = {
    past: {
      result: async (id) => recent.result(id),
      picture: (id) => recent.picture(id),
      map: async (id) => recent.map(id),
    },
    evidence: { list: async () => ({ items: [], next: null }) },
    aim: () => undefined,
    setup: noSetup,
    ...more,
    station: 'press-3',
    log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
    metrics,
    recent,
    statistics,
    commands: {
      async trigger(command) {
        failIfTold();
        rig.triggered.push(command);
        return { jobId: `job-${rig.triggered.length}` };
      },
      acknowledge: async () => ({}),
      abort: async () => ({}),
      mode: async () => ({}),
      async recipe(command) {
        failIfTold();
        rig.triggered.push(command);
        return {};
      },
      async challenge(command) {
        failIfTold();
        rig.triggered.push(command);
        return {};
      },
    },
    challenge: () => rig.status.challenge,
    recipes: () => [],
    handshakes: () => [],
    job: async () => undefined,
    status: () => rig.status,
    readiness: () => rig.checks,
    cameras: () => rig.cameras,
    async classify(image) {
      failIfTold();
      rig.classified.push(image);
      const { model, label, probability, probabilities, reasons, votes } = result(1);
      return {
        decision: { verdict: 'fail', label, probability, probabilities, reasons, votes },
        places: [],
        model,
        queueMs: 1,
        inferenceMs: 23,
      };
    },
    watch: (on) => {
      rig.watching = on;
    },
    audit: {
      record: async (draft) => void rig.recorded.push(draft),
      ready: async () => undefined,
      read: async () => [],
    },
    onNotice: (what, text) => void rig.notices.set(what, text),
    settings: noSettings(),
  };
  const http = await openHttp(httpSchema.parse({ port: 0, ...config }), deps);
  return Object.assign(rig, {
    http,
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await statistics[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  });
}

/** Tools that find nothing. */
export const noSetup: SetupTools = {
  view: { mode: 'running', file: '/nowhere/agent.yaml' },
  search: async () => ({ cameras: [], notes: [] }),
  streams: async () => [],
  camera: async () => ({ findings: [], hasImage: false }),
  broker: async () => ({ findings: [] }),
  image: () => undefined,
  finish: async () => undefined,
  start: () => undefined,
};

/** Settings of a file that does not exist. */
function noSettings(): Settings {
  const file = '/nowhere/agent.yaml';
  const text = 'station: press-3\ncameras: { top: { url: "rtsp://h/a" } }\n';
  const live = new LiveConfig(loadText({ file, text }, {}).config);
  return createSettings({ file, env: {}, live, restart: () => undefined });
}

export function camera(name: string, over: Partial<CameraView> = {}): CameraView {
  return {
    name,
    up: true,
    reason: '',
    region: { x: 0.25, y: 0.15, width: 0.5, height: 0.7 },
    trigger: 'presence',
    newestAt: Date.now(),
    simulated: false,
    ...over,
  };
}

/** Place of the scratch that `frameOf` draws on part 5. */
export const scratchAt = {
  where: [{ x: 0.4, y: 0.34, width: 0.13, height: 0.36, score: 8.4, label: 'scratch' }],
  region: { x: 0.25, y: 0.148, width: 0.5, height: 0.704 },
  map: mapAt(
    14,
    (x, y) => 255 * Math.exp(-((x - 4.4 - (y - 4) * 0.62) ** 2) - Math.max(0, Math.abs(y - 6.5) - 2.5)),
  ),
};

function mapAt(side: number, level: (x: number, y: number) => number): WhereMapView {
  const levels = Buffer.from(
    Array.from({ length: side * side }, (_, p) => level(p % side, Math.floor(p / side))),
  );
  return { width: side, height: side, least: 4, most: 8.4, levels: levels.toString('base64') };
}

export function failure(code: ErrorCode, message: string): QcError {
  return new QcError(code, message);
}

/** An image of a metal part on a belt, with a scratch if the part is bad: the whole image and its region. */
export async function frameOf(one: Result, { whole = true }: { whole?: boolean } = {}): Promise<Frame> {
  const n = one.sequence;
  const scratch =
    one.verdict === 'pass'
      ? ''
      : `<path d="M${190 + ((n * 13) % 60)} 95 l55 70 l-14 22" stroke="#2a2420" stroke-width="4" fill="none"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="270">
    <defs><linearGradient id="m" x1="0" x2="1" y1="0" y2="1"><stop offset="0" stop-color="#c9cfd4"/><stop offset=".5" stop-color="#8d959c"/><stop offset="1" stop-color="#b8bec4"/></linearGradient></defs>
    <rect width="480" height="270" fill="#3a4148"/><path d="M0 40h480M0 230h480" stroke="#22272c" stroke-width="10"/>
    <rect x="165" y="62" width="150" height="146" rx="16" fill="url(#m)" stroke="#5b6269" stroke-width="3"/>
    <circle cx="240" cy="135" r="26" fill="#565d64"/>${scratch}</svg>`;
  const pixels = async (picture: Sharp): Promise<Image> => {
    const { data, info } = await picture.removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data };
  };
  const preview = await pixels(sharp(Buffer.from(svg)));
  const image = await pixels(
    sharp(Buffer.from(svg)).extract({ left: 120, top: 40, width: 240, height: 190 }),
  );
  const now = Date.parse(one.capturedAt);
  return {
    camera: one.camera,
    image,
    ...(whole && { preview }),
    capturedAt: now,
    receivedAt: now,
    times: frameTimes(),
    simulated: false,
  };
}
