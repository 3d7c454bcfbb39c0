/** Access of commands to their process: environment, signals, terminal and exit code. */
import { once } from 'node:events';
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { CommanderError } from 'commander';

import { createTimeLeft } from '../../calibration/jobs/time-left.ts';
import { QcError } from '../../config/errors.ts';

export const { env: environment, pid } = process;

/** Whether standard error is a terminal. */
export const isWatched = process.stderr.isTTY === true;

/** The first SIGTERM or Ctrl-C ends the work regularly, a second one at once. */
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

/** The first Ctrl-C is not an error: prints `what`; the exit code is 1. */
export async function unlessStopped<T>(signal: AbortSignal, what: string, work: Promise<T>): Promise<T> {
  return work.catch((error) => {
    if (signal.aborted) throw new CommanderError(1, 'qc.stopped', `stopped: ${what}`);
    throw error;
  });
}

/** Prints the result on standard output. */
export function print(text: string): void {
  process.stdout.write(lineOf(text));
}

/** Prints a message on standard error. */
export function note(text: string): void {
  process.stderr.write(lineOf(text));
}

export function warn(text: string): void {
  note(`warning: ${text}`);
}

/** Lines of standard input as they arrive. */
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
/** One line that is overwritten, at most ten times a second. */
function showProgress(done: number, total: number, secondsLeft?: number): void {
  if (done < total && performance.now() - shownAt < 100) return;
  shownAt = performance.now();
  const left = secondsLeft === undefined ? '' : `, about ${secondsLeft} s left`;
  // Spaces cover the end of a longer line.
  const end = done < total ? left.padEnd(24) : `${' '.repeat(24)}\n`;
  process.stderr.write(`\r${done} of ${total}${end}`);
}

/** Shows steps and progress on a terminal; warnings are always shown. */
export function steps(json: boolean | undefined) {
  const shows = !json && isWatched;
  let step = '';
  const timeLeft = createTimeLeft();
  return {
    onNotice: warn,
    onProgress(now: string, done: number, total: number) {
      if (!shows) return;
      if (now !== step) note(`${now} …`);
      step = now;
      showProgress(done, total, timeLeft(now, done, total));
    },
  };
}

export interface WorkDeps {
  readonly onNotice: (text: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** Dependencies of work with progress: warnings, a stop signal, and progress on a terminal. */
export function workDeps(json: boolean | undefined): WorkDeps {
  return {
    onNotice: warn,
    signal: untilSignal(),
    ...(!json && isWatched && { onProgress: (done: number, total: number) => showProgress(done, total) }),
  };
}

export function whoami(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user without a name.
    return 'command line';
  }
}

/** Sets the exit code of a command whose result is negative. */
export function exitWithFailure(): void {
  process.exitCode = 1;
}

/** Ends the command even if something hangs (such as a network drive). */
export function exitWithin(ms: number): void {
  setTimeout(() => process.exit(), ms).unref();
}

/** Prints an error in one line and sets its exit code. */
export function exitBecause(error: unknown): void {
  process.exitCode = codeOf(error);
  // The parser has already printed the error.
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
