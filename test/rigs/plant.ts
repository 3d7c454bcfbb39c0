/** A whole plant on loopback: a line with its RTSP camera, a broker, and the agent in its own process. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Line, type LineOptions, openLine } from '../../agent/demo/line.ts';
import { Closer } from '../../agent/lifecycle/closer.ts';
import type { Reply, Result, Status, VerdictMessage, Will } from '../../agent/publish/messages.ts';
import { openProbe, type Probe } from './mqtt-probe.ts';
import { type AgentProcess, type StartOptions, startAgent } from './plant-agent.ts';
import { type BrokerKind, type PlantBroker, startBroker } from './plant-broker.ts';
import { copyHead } from './plant-head.ts';
import { type Scrape, scrape } from './plant-metrics.ts';
import { until } from './until.ts';

export interface PlantOptions {
  readonly trigger?: object;
  /** Number of frames per part. */
  readonly vote?: number;
  /** Settings of the camera `top` in addition to those of the line. */
  readonly camera?: object;
  readonly mqtt?: object;
  /** Storage settings that differ from the defaults. */
  readonly storage?: { readonly directory?: string; readonly [setting: string]: unknown };
  readonly line?: LineOptions;
  readonly broker?: BrokerKind;
  /** Passwords of the agent and of the test's subscriber at the broker; default: none are required. */
  readonly users?: Readonly<Record<'agent' | 'probe', string>>;
  /** Whether a trained head exists; default true. */
  readonly head?: boolean;
  /** Further sections of the configuration; may write to the storage directory before the agent starts. */
  readonly settings?: (storage: string, made: PlantSettings) => Promise<object>;
  /** Environment variables of the agent, in addition to those of the test. */
  readonly env?: StartOptions['env'];
  /** Further arguments. */
  readonly args?: readonly string[];
}

/** The configuration made by the plant. */
export interface PlantSettings {
  readonly cameras: { readonly top: object };
  readonly mqtt: { readonly url: string };
}

export interface Plant extends AsyncDisposable {
  readonly line: Line;
  readonly broker: PlantBroker;
  /** Receives every message of the broker. */
  readonly probe: Probe;
  readonly agent: AgentProcess;
  /** Base topic. */
  readonly topic: string;
  /** URL of the page, the API and the metrics. */
  readonly url: string;
  /** The storage directory. */
  readonly storage: string;
  /** In order of arrival, with repeated deliveries. */
  readonly results: readonly Result[];
  readonly verdicts: readonly VerdictMessage[];
  readonly statuses: readonly (Status | Will)[];
  /** The newest status. */
  readonly status: Status | Will | undefined;
  metrics(): Promise<Scrape>;
  /** Waits until it inspects: camera, broker and model are ready, and the empty background is learned. */
  ready(): Promise<void>;
  /** Waits for a matching status. */
  says(wanted: (status: Status | Will) => boolean, what: string): Promise<Status | Will>;
  /** Waits for this number of further results and returns them. */
  nextResults(count: number, timeoutMs?: number): Promise<readonly Result[]>;
  /** Publishes a command and waits for its reply on the reply topic. */
  command(name: string, payload: object): Promise<Reply>;
  /** Restarts the broker while the agent is stopped, so that the subscriber misses nothing. */
  brokerComesBack(): Promise<void>;
  /** Restarts the agent with the same files. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** More frames than the presence trigger needs to learn the empty background. */
const learningFrames = 15;

/** Opens everything and waits until the agent serves its page; disposal checks that no process is left. */
export async function openPlant(options: PlantOptions = {}): Promise<Plant> {
  await using opened = new Closer();
  const directory = await mkdtemp(join(tmpdir(), 'qc-plant-'));
  opened.defer(() => rm(directory, { recursive: true, force: true }));
  const storage = { directory: join(directory, 'storage'), ...options.storage };
  if (options.head !== false) await copyHead(storage.directory);

  const topic = 'plant/line-1/press-1/qc';
  const broker = opened.use(await startBroker(options.broker ?? 'aedes', options.users));
  const probe = opened.use(
    await openProbe(broker.url, options.users ? { username: 'probe', password: options.users.probe } : {}),
  );
  const line = opened.use(await openLine(options.line));

  const trigger = options.trigger ?? { kind: 'presence' };
  const file = join(directory, 'agent.yaml');
  const settings = {
    station: 'press-1',
    cameras: {
      top: {
        ...(await cameraAddress(line.url, options.line, directory)),
        region: line.region,
        trigger,
        vote: { frames: options.vote ?? 1 },
        simulated: true,
        ...options.camera,
      },
    },
    mqtt: { url: broker.url, topic, ...(await brokerLogin(options.users, directory)), ...options.mqtt },
    http: { port: 0 },
    storage,
    // Other tests cover int8 variants and views: here they would only take time.
    training: { quantize: false, views: 'none' },
    log: { format: 'json', level: 'debug' },
  };
  const more = await options.settings?.(storage.directory, settings);
  await writeFile(file, stringify({ ...settings, ...more }));
  const start = () =>
    startAgent(['run', '--config', file, ...(options.args ?? [])], {
      cwd: directory,
      ...(options.env && { env: options.env }),
    });
  const served = async () => String((await agent.logs('page, API and metrics are served')).url);
  let agent = start();
  opened.defer(() => agent[Symbol.asyncDispose]());
  let url = await served();

  const heard = <T>(path: string) => probe.on(`${topic}/${path}`).map(({ json }) => json as T);
  const all = opened.move();
  const plant: Plant = {
    line,
    broker,
    probe,
    get agent() {
      return agent;
    },
    topic,
    get url() {
      return url;
    },
    storage: storage.directory,
    get results() {
      return heard<Result>('top/result');
    },
    get verdicts() {
      return heard<VerdictMessage>('top/verdict');
    },
    get statuses() {
      return heard<Status | Will>('status');
    },
    get status() {
      return plant.statuses.at(-1);
    },
    metrics: () => scrape(url),
    async ready() {
      await until(async () => (await fetch(`${url}/readyz`)).ok, {
        timeoutMs: 30_000,
        everyMs: 50,
        what: 'the agent to be ready',
      });
      await until(
        async () => ((await plant.metrics()).value('qc_frames_received_total') ?? 0) >= learningFrames,
        { everyMs: 100, what: 'the background to be learned' },
      );
    },
    says: (wanted, what) =>
      until(() => (plant.status && wanted(plant.status) ? plant.status : undefined), {
        timeoutMs: 20_000,
        what: `a status: ${what}`,
      }),
    async nextResults(count, timeoutMs = 20_000) {
      const before = plant.results.length;
      await until(() => plant.results.length >= before + count, {
        timeoutMs,
        everyMs: 25,
        what: `${count} further results`,
      });
      return plant.results.slice(before, before + count);
    },
    async command(name, payload) {
      const replies = `${topic}/command/${name}/reply`;
      const before = probe.on(replies).length;
      await probe.publish(`${topic}/command/${name}`, payload);
      return (await probe.hears(replies, before + 1)).json as Reply;
    },
    async brokerComesBack() {
      agent.kill('SIGSTOP');
      try {
        await broker.comeBack();
        await subscribed(probe);
      } finally {
        agent.kill('SIGCONT');
      }
    },
    async restart(signal) {
      await agent.stop(signal);
      agent = start();
      url = await served();
    },
    stop: async (signal) => (await agent.stop(signal)).code,
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
  return plant;
}

/** As written by an operator: the user in the address, the password in its own file. */
async function cameraAddress(url: string, options: LineOptions | undefined, directory: string) {
  const { user, password } = options ?? {};
  if (user === undefined || password === undefined) return { url };
  return {
    url: url.replace('rtsp://', `rtsp://${encodeURIComponent(user)}@`),
    passwordFile: await passwordFile(join(directory, 'camera-password'), password),
  };
}

async function brokerLogin(users: PlantOptions['users'], directory: string) {
  if (!users) return {};
  return {
    username: 'agent',
    passwordFile: await passwordFile(join(directory, 'broker-password'), users.agent),
  };
}

async function passwordFile(path: string, password: string): Promise<string> {
  await writeFile(path, `${password}\n`, { mode: 0o600 });
  return path;
}

/** Waits until the probe, which reconnects automatically, receives messages again. */
async function subscribed(probe: Probe): Promise<void> {
  const before = probe.on('probe/echo').length;
  await until(
    async () => {
      // Not awaited: while disconnected, the client keeps it for later.
      void probe.publish('probe/echo', {}).catch(() => undefined);
      return probe.on('probe/echo').length > before;
    },
    { everyMs: 50, what: 'the subscriber to be back' },
  );
}
