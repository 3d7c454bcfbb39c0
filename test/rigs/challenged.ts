/** A challenge test of a station whose parts are given by the test: real inspection, record and audit log, no camera and no model. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Audit, openAudit } from '../../agent/audit/audit.ts';
import { type Challenge, openChallenge } from '../../agent/challenge/challenge.ts';
import { type ImageJudgement, inspect, type Part } from '../../agent/inspect.ts';
import { createMetrics, type Metrics } from '../../agent/metrics/metrics.ts';
import type { Result } from '../../agent/publish/messages.ts';
import { challengeSchema } from '../../config/challenge-schema.ts';
import type { ChallengeConfig } from '../../config/schema.ts';
import type { Frame } from '../../models/image.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import { frameTimes } from './frame-times.ts';

export interface Challenged {
  readonly directory: string;
  readonly challenge: Challenge;
  readonly metrics: Metrics;
  readonly audit: Audit;
  /** Why the station is degraded; empty if it is not. */
  readonly degraded: string;
  /** Lets a part arrive at a camera and returns its result. @param good its probability of being good */
  show(good: number, changes?: Partial<Part> & { frame?: Partial<Frame>; camera?: string }): Promise<Result>;
  /** Opens it again with the same files, as after kill -9: nothing is closed before. */
  again(config?: object): Promise<Challenged>;
}

export interface ChallengedOptions {
  readonly config?: object;
  readonly directory?: string;
  readonly cameras?: Readonly<Record<string, string>>;
  readonly now?: () => number;
}

const opened: (() => PromiseLike<unknown>)[] = [];

/** To be called after each test. */
export async function closeChallenged(): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close();
}

export async function openChallenged(options: ChallengedOptions = {}): Promise<Challenged> {
  const { config = {}, cameras = { top: 'presence' }, now = () => Date.now() } = options;
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'qc-challenge-')));
  opened.push(() => rm(directory, { recursive: true, force: true }));
  const log = pino({ level: 'silent' });
  const metrics = createMetrics({ version: '0' });
  const audit = await openAudit({ directory, auditMb: 1 }, { log, onFault: () => undefined });
  opened.push(() => audit[Symbol.asyncDispose]());
  let degraded = '';
  const challenge = await openChallenge({ ...challengeSchema.parse({}), ...config } as ChallengeConfig, {
    log,
    storageDirectory: directory,
    cameras: Object.fromEntries(Object.entries(cameras).map(([name, kind]) => [name, { trigger: { kind } }])),
    recipe: () => 'default',
    audit,
    observer: metrics.challengeObserver,
    onChange: (why) => {
      degraded = why;
    },
    now,
    everyMs: 5,
  });
  opened.push(() => challenge[Symbol.asyncDispose]());
  let parts = 0;
  return {
    directory,
    challenge,
    metrics,
    audit,
    get degraded() {
      return degraded;
    },
    async show(good, { frame = {}, camera = 'top', ...changes } = {}) {
      const times = frameTimes(monotonicMs() + 8);
      const seen: Frame = {
        camera,
        image: { width: 1, height: 1, data: new Uint8Array(3) },
        capturedAt: Date.now(),
        receivedAt: Date.now(),
        times,
        simulated: false,
        ...frame,
      };
      const part: Part = {
        partId: `part-${++parts}`,
        jobId: `job-${parts}`,
        recipe: 'default',
        frames: [seen],
        foundAt: monotonicMs(),
        ...changes,
      };
      return inspectOne(part, camera, good, challenge);
    },
    again: (next = config) => openChallenged({ ...options, config: next, directory }),
  };
}

async function inspectOne(part: Part, camera: string, good: number, challenge: Challenge): Promise<Result> {
  const judgement: ImageJudgement = {
    probabilities: { good, dent: 1 - good },
    features: new Float32Array(2),
    startedAt: 0,
    inferenceMs: 2,
    prepareMs: 0.2,
    headMs: 0.1,
    queueMs: 1,
    version: '2026-11-23.1',
  };
  const ended = new AbortController();
  const left = [part];
  const results: Result[] = [];
  await inspect(
    {
      camera,
      after: 0,
      parts: {
        async next() {
          const next = left.shift();
          if (next) return next;
          ended.abort();
          throw new Error('closed');
        },
      },
      known: (one) => challenge.known(camera, one),
      judge: async () => judgement,
      rules: () => ({ thresholds: { pass: 0.7, fail: 0.6 }, good: ['good'] }),
      facts: () => ({
        station: 'press-1',
        model: { version: '2026-11-23.1', base: 'base', precision: 'fp32', provider: 'cpu' },
        calibration: false,
      }),
      keep: () => null,
      publish: async (result) => void results.push(result),
      count: () => undefined,
      show: () => undefined,
      depth: 1,
    },
    ended.signal,
  );
  return results[0]!;
}
