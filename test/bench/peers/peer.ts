/** Starts another program on the same camera, measures it and ends it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { cpuSeconds, processTree, pssMb } from '../../../agent/bench/proc.ts';
import { until } from '../../rigs/until.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

export interface Watched {
  /** CPU time used, in cores. */
  readonly cores: number;
  readonly pssMb: number;
}

export const opencvScript = new URL('../../../../test/bench/peers/opencv.py', import.meta.url).pathname;
/** Debian's Python, which has the modules of Debian. */
export const python = '/usr/bin/python3';

/** What to install for the OpenCV script; undefined if it can run. */
export function opencvMissing(): string | undefined {
  const { status } = spawnSync(python, ['-c', 'import cv2, numpy, paho.mqtt.client']);
  return status === 0 ? undefined : 'apt-get install python3-opencv python3-paho-mqtt';
}

/** Measures a command after a warm-up. @throws if it ends meanwhile */
export async function watchCommand({ program, args }: Command, seconds: number): Promise<Watched> {
  const warmUpMs = 2_000;
  return running({ program, args }, async (pid) => {
    await sleep(warmUpMs);
    return watch(pid, seconds);
  });
}

/** Measures a command that publishes a message for each part it judged. */
export async function watchPublisher(
  command: Command,
  { broker, topic, seconds }: { readonly broker: string; readonly topic: string; readonly seconds: number },
): Promise<Watched & { readonly perSecond: number }> {
  const client = await connectAsync(broker, { reconnectPeriod: 0 });
  const arrived: number[] = [];
  client.on('message', () => arrived.push(performance.now()));
  await client.subscribeAsync(topic, { qos: 1 });
  try {
    return await running(command, async (pid, ended) => {
      await Promise.race([
        ended,
        until(() => arrived.length > 2, { timeoutMs: 60_000, what: `messages of ${command.program}` }),
      ]);
      await sleep(1_000);
      const from = arrived.length;
      const watched = await watch(pid, seconds);
      const seen = arrived.slice(from);
      const spanMs = (seen.at(-1) ?? 0) - (seen[0] ?? 0);
      return { ...watched, perSecond: seen.length > 1 ? ((seen.length - 1) * 1000) / spanMs : 0 };
    });
  } finally {
    await client.endAsync(true);
  }
}

async function watch(pid: number, seconds: number): Promise<Watched> {
  const before = cpuSeconds(processTree(pid));
  const startedAt = performance.now();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - startedAt) / 1000;
  const tree = processTree(pid);
  return { cores: (cpuSeconds(tree) - before) / elapsed, pssMb: pssMb(tree) };
}

async function running<T>(
  { program, args }: Command,
  work: (pid: number, ended: Promise<never>) => Promise<T>,
): Promise<T> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-2_000);
  });
  const exited = once(child, 'exit');
  const ended = exited.then(() => {
    throw new Error(`${program} ended: ${said}`);
  });
  ended.catch(() => undefined);
  try {
    return await Promise.race([work(child.pid!, ended), ended]);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}
