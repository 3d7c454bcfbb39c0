/** Runs the agent as `qc-agent run` does, and collects its results. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../../config/child-environment.ts';
import { type Arrived, subscribeToResults } from './results.ts';

export interface RunningAgent extends AsyncDisposable {
  readonly pid: number;
  /** Results in order of arrival, oldest first. */
  readonly arrived: readonly Arrived[];
  /** Rejects when it has ended, with its last output; never resolves. */
  readonly failed: Promise<never>;
}

export interface AgentOptions {
  /** Its configuration, except storage, topic, HTTP and log. */
  readonly settings: object;
  readonly broker: string;
  /** Folder for its configuration and data. */
  readonly folder: string;
}

const topic = 'bench/qc';
const closeMs = 15_000;

/** Returns when it is started but not judging yet. Close ends it with SIGTERM, or kills it if that takes too long. */
export async function startAgent({ settings, broker, folder }: AgentOptions): Promise<RunningAgent> {
  const file = join(folder, 'agent.yaml');
  const config = {
    ...settings,
    station: 'bench',
    mqtt: { url: broker, topic },
    http: { port: 0 },
    storage: { directory: join(folder, 'storage') },
    // Work after a training must not disturb the measurement.
    training: { quantize: false },
    log: { level: 'warn', format: 'json' },
  };
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config));
  const { arrived, client } = await subscribeToResults(broker, topic);

  const child = fork(new URL('../main.js', import.meta.url), ['run', '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    // Without QC_… variables: the agent must not connect to the user's broker.
    env: childEnvironment(),
  });
  const exited = once(child, 'exit');
  let last = '';
  createInterface({ input: child.stderr! }).on('line', (line) => {
    last = line;
  });
  let closing = false;
  const failed = exited.then(() => {
    if (closing) return new Promise<never>(() => undefined);
    throw new Error(`the agent that was measured ended: ${last}`);
  });
  failed.catch(() => undefined);
  return {
    pid: child.pid!,
    arrived,
    failed,
    async [Symbol.asyncDispose]() {
      closing = true;
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), closeMs);
      if (child.exitCode === null && child.signalCode === null) await exited;
      clearTimeout(kill);
      await client.endAsync(true);
    },
  };
}
