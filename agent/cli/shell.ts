/** What commands see of the process they run in: its environment, signals, terminal and exit code. */
import { once } from 'node:events';
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { CommanderError } from 'commander';

import { QcError } from '../../config/errors.ts';

export const { env: environment, pid } = process;

/** Whether someone looks at what is written beside the answer. */
export const isWatched = process.stderr.isTTY === true;

/** A first SIGTERM or Ctrl-C ends the work in order, a second one at once. */
export function untilSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error(name));
    });
  }
  return controller.signal;
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** A first Ctrl-C is no defect: `what` is said, and the exit code is 1. */
export async function unlessStopped<T>(signal: AbortSignal, what: string, work: Promise<T>): Promise<T> {
  return work.catch((error) => {
    if (signal.aborted) throw new CommanderError(1, 'qc.stopped', `stopped: ${what}`);
    throw error;
  });
}

/** The answer. */
export function print(text: string): void {
  process.stdout.write(lineOf(text));
}

/** What is not the answer. */
export function note(text: string): void {
  process.stderr.write(lineOf(text));
}

export function warn(text: string): void {
  note(`warning: ${text}`);
}

/** Lines of the standard input, as they come. */
export function inputLines(): AsyncIterable<string> {
  return createInterface({ input: process.stdin });
}

/** The answer of the person at the terminal; undefined if there is none to ask. */
export async function ask(question: string): Promise<string | undefined> {
  if (process.stdin.isTTY !== true) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve) => {
      terminal.once('close', () => resolve(''));
      terminal.question(question, resolve);
    });
  } finally {
    terminal.close();
  }
}

function lineOf(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}

let shownAt = 0;
/** One line that is written over, at most ten times a second. */
function showProgress(done: number, total: number): void {
  if (done < total && performance.now() - shownAt < 100) return;
  shownAt = performance.now();
  process.stderr.write(`\r${done} of ${total}${done < total ? '' : '\n'}`);
}

/** Tells on a terminal what is being done and how far it is, and warns anywhere. */
export function steps(json: boolean | undefined) {
  const shows = !json && isWatched;
  let step = '';
  return {
    onNotice: warn,
    onProgress(now: string, done: number, total: number) {
      if (!shows) return;
      if (now !== step) note(`${now} …`);
      step = now;
      showProgress(done, total);
    },
  };
}

export interface WorkDeps {
  readonly onNotice: (text: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** For work that counts what is done: warnings, the signal that stops it, and progress on a terminal. */
export function workDeps(json: boolean | undefined): WorkDeps {
  return {
    onNotice: warn,
    signal: untilSignal(),
    ...(!json && isWatched && { onProgress: showProgress }),
  };
}

export function whoami(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no name.
    return 'command line';
  }
}

/** The command did its work, and the answer is no. */
export function exitWithFailure(): void {
  process.exitCode = 1;
}

/** What hangs (a dead network disk) must not keep a command from ending. */
export function exitWithin(ms: number): void {
  setTimeout(() => process.exit(), ms).unref();
}

/** One line for what went wrong, and the exit code of the contract. */
export function exitBecause(error: unknown): void {
  process.exitCode = codeOf(error);
  // The parser has said itself what is wrong with the command line.
  if (error instanceof CommanderError && error.code !== 'qc.stopped') return;
  if (error instanceof CommanderError) note(error.message);
  else if (error instanceof QcError) note(`error: ${error.line}`);
  else note(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

function codeOf(error: unknown): number {
  if (error instanceof QcError) return error.exitCode;
  if (!(error instanceof CommanderError) || error.code === 'qc.stopped') return 1;
  return error.exitCode === 0 ? 0 : 2;
}
