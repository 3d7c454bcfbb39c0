/** The simulated line for the process that uses it: the camera's address, the true labels, and calls to disturb it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Region } from '../../models/image.ts';
import type { FromLine, LineCalls, LineOptions } from './line-protocol.ts';
import type { Truth } from './truth.ts';

export type { LineOptions } from './line-protocol.ts';

type LineControls = { [Name in keyof LineCalls]: (...args: LineCalls[Name]) => Promise<void> };

export interface Line extends LineControls {
  /** RTSP address, without user and password. */
  readonly url: string;
  /** The region to inspect: it never contains two parts, and is empty between them. */
  readonly region: Region;
  /** The newest parts, oldest first, each from the moment it enters the region. */
  readonly truths: readonly Truth[];
  /** Called for each part from now on; the returned function removes the listener. */
  onTruth(listener: (truth: Truth) => void): () => void;
  readonly pid: number;
}

const keptTruths = 1_000;
const closeMs = 3_000;

/** Starts the line in its own process, so that drawing does not block this one; after close that process has exited. */
export async function openLine(options: LineOptions = {}): Promise<Line & AsyncDisposable> {
  const child = fork(new URL('./line-process.js', import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const close = () => closeChild(child, exited);
  try {
    const opened = await open(child, exited, options);
    return line(child, exited, close, opened);
  } catch (error) {
    await close();
    throw error;
  }
}

type Opened = Extract<FromLine, { kind: 'opened' }>;

async function open(child: ChildProcess, exited: Promise<void>, options: LineOptions): Promise<Opened> {
  child.send({ kind: 'open', options });
  const ended = exited.then(() => ({ kind: 'failed', reason: 'its process ended' }) as const);
  const answer = await Promise.race([once(child, 'message').then(([message]) => message as FromLine), ended]);
  if (answer.kind === 'opened') return answer;
  throw new Error(`the demo line did not start: ${answer.kind === 'failed' ? answer.reason : answer.kind}`);
}

function line(
  child: ChildProcess,
  exited: Promise<void>,
  close: () => Promise<void>,
  { url, region }: Opened,
): Line & AsyncDisposable {
  const truths: Truth[] = [];
  const listeners = new Set<(truth: Truth) => void>();
  const pending = new Map<number, (error?: string) => void>();
  let calls = 0;

  child.on('message', (message: FromLine) => {
    if (message.kind === 'done') pending.get(message.id)?.(message.error);
    if (message.kind !== 'truth') return;
    truths.push(message.truth);
    if (truths.length > keptTruths) truths.shift();
    for (const listener of listeners) listener(message.truth);
  });
  void exited.then(() => {
    for (const settle of pending.values()) settle('the demo line has ended');
  });

  function call<Name extends keyof LineCalls>(name: Name) {
    return (...args: LineCalls[Name]): Promise<void> =>
      new Promise((resolve, reject) => {
        const id = ++calls;
        const settle = (error?: string) => {
          pending.delete(id);
          if (error === undefined) resolve();
          else reject(new Error(error));
        };
        pending.set(id, settle);
        if (!child.connected) return settle('the demo line has ended');
        child.send({ kind: 'call', id, name, args }, (error) => error && settle(error.message));
      });
  }

  return {
    url,
    region,
    truths,
    pid: child.pid!,
    onTruth(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    disconnectAll: call('disconnectAll'),
    stall: call('stall'),
    freeze: call('freeze'),
    corrupt: call('corrupt'),
    resize: call('resize'),
    stop: call('stop'),
    start: call('start'),
    [Symbol.asyncDispose]: close,
  };
}

async function closeChild(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.connected) child.disconnect();
  const kill = setTimeout(() => child.kill('SIGKILL'), closeMs);
  await exited;
  clearTimeout(kill);
}
