/** Runs the agent as a user does: in its own process, with a config file; a subscriber receives the verdicts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { processTree } from '../../agent/bench/proc.ts';
import { type Arrived, subscribeToResults } from '../../agent/bench/results.ts';
import { until } from '../rigs/until.ts';

/** Precision in which the embedded base is measured. */
export type Precision = 'fp32' | 'int8';

export interface AgentOptions {
  /** The section `cameras` of the config file. */
  readonly cameras: Readonly<Record<string, { readonly url: string } & Readonly<Record<string, unknown>>>>;
  /** A name or a path, as `model.base` takes it. */
  readonly base: string;
  /** Precision of the base; default: float. */
  readonly precision?: Precision;
  /** 0: one thread per core. */
  readonly threads?: number;
  readonly broker: string;
  readonly storage: string;
  /** Folder of the config file. */
  readonly folder: string;
  /** Options of Node, before the script. */
  readonly nodeOptions?: readonly string[];
}

export interface RunningAgent extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Start time of the process, ms since the epoch. */
  readonly startedAt: number;
  /** Results in order of arrival. */
  readonly arrived: readonly Arrived[];
  /** Log lines so far. */
  readonly log: readonly LogLine[];
  /** URL of its HTTP server. */
  readonly url: string;
  /** Process ids of the agent and of everything it started. */
  tree(): number[];
  /** Sends a command as a PLC would. */
  command(name: string, payload: object): Promise<void>;
}

export interface LogLine {
  readonly time: string;
  readonly level: number;
  readonly msg: string;
  readonly url?: string;
}

const main = fileURLToPath(new URL('../../agent/main.js', import.meta.url));
/** Log line of each milestone. */
export const milestones = {
  model: 'the model is ready',
  camera: 'the camera is up',
  broker: 'connected to the broker',
  http: 'page, API and metrics are served',
} as const;

/**
 * Starts the agent and waits until its HTTP server answers; its camera and model may not be ready yet. Disposal sends
 * SIGTERM and waits for the end.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const {
    cameras,
    base,
    precision = 'fp32',
    threads = 0,
    broker,
    storage,
    folder,
    nodeOptions = [],
  } = options;
  const station = `bench-${randomUUID()}`;
  const topic = `qc/${station}`;
  const config = {
    station,
    cameras,
    mqtt: { url: broker, topic },
    http: { port: 0 },
    model: { base, provider: 'cpu', precision, threads },
    storage: { directory: storage },
    // Work after a training must not disturb the next measurement.
    training: { quantize: false },
    log: { format: 'json' },
  };
  // JSON is YAML.
  const file = join(await mkdtemp(join(folder, 'agent-')), 'agent.yaml');
  await writeFile(file, JSON.stringify(config));

  const { arrived, client } = await subscribeToResults(broker, topic);

  const log: LogLine[] = [];
  const startedAt = Date.now();
  const child = spawn(process.execPath, [...nodeOptions, main, 'run', '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // The options with which the service, the container image and `qc-agent` start it.
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
  });
  const exited = once(child, 'exit');
  createInterface({ input: child.stderr! }).on('line', (line) => log.push(read(line)));

  const close = async () => {
    const tree = processTree(child.pid!);
    child.kill('SIGTERM');
    const deadline = setTimeout(() => {
      for (const pid of tree) process.kill(pid, 'SIGKILL');
    }, 10_000);
    if (child.exitCode === null && child.signalCode === null) await exited;
    clearTimeout(deadline);
    await client.endAsync(true);
  };
  try {
    await until(
      () => {
        if (child.exitCode === null) return log.some(({ msg }) => msg === milestones.http) && child.connected;
        throw new Error(
          `the agent ended with exit ${child.exitCode}: ${log.map(({ msg }) => msg).join('\n')}`,
        );
      },
      { timeoutMs: 20_000, what: 'the agent to start' },
    );
  } catch (error) {
    await close();
    throw error;
  }
  return {
    process: child,
    pid: child.pid!,
    startedAt,
    arrived,
    log,
    url: log.find(({ msg }) => msg === milestones.http)!.url!,
    tree: () => processTree(child.pid!),
    async command(name, payload) {
      await client.publishAsync(`${topic}/command/${name}`, JSON.stringify(payload), { qos: 1 });
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Waits for the first result of a judged part and returns it. */
export function firstVerdict(agent: RunningAgent): Promise<Arrived> {
  return until(() => agent.arrived.find(({ result }) => result.state === 'completed'), {
    timeoutMs: 60_000,
    what: 'the first verdict',
  });
}

function read(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { time: new Date().toISOString(), level: 0, msg: line };
  }
}
