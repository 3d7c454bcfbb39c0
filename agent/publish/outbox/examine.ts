/** Reads a store in a child process: lmdb trusts its file, and a damaged one can crash the process. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../../config/child-environment.ts';
import type { Found } from './disk.ts';
import type { Rebuilt } from './rebuild.ts';

/** Every entry was read. The journal's content counts as found. */
export interface Examined {
  readonly found: Found;
  /** Number of damaged entries. */
  readonly unreadable: number;
  /** Number of missing entries. */
  readonly missing: number;
}

/** Request to the child. */
export type ExamineRequest =
  | {
      readonly kind: 'examine';
      readonly directory: string;
      /** Also tries to write; only if no other process has the store open. */
      readonly write: boolean;
    }
  | {
      readonly kind: 'rebuild';
      readonly directory: string;
      /** An empty folder for the new store. */
      readonly to: string;
      /** Maximum size, bytes. */
      readonly bytes: number;
      /** Reads the entries too; if false, only the state record. */
      readonly withEntries: boolean;
    };

/** Answer of the child. */
export type ExamineAnswer =
  | { readonly value: Examined | Rebuilt }
  | Damage
  /** An error of the operating system, not of the file's content. */
  | { readonly refused: string; readonly code: string | number };

export interface Damage {
  readonly damage: string;
}

/** Signals that end a process which follows a page number beyond the end of the file. */
const deadly: readonly unknown[] = ['SIGBUS', 'SIGSEGV', 'SIGABRT', 'SIGILL', 'SIGFPE'];
/** After this time the disk counts as hung, ms. */
const patienceMs = 300_000;

/** An error of the operating system. */
export class RefusedError extends Error {
  /** errno, or its name. */
  readonly code: string | number;

  constructor(message: string, code: string | number) {
    super(message);
    this.code = code;
  }
}

/** Reads every entry in its own process. @throws RefusedError, and Error if the process is stopped from outside or hangs */
export async function examine(directory: string, write: boolean): Promise<Examined | Damage> {
  return (await inChild({ kind: 'examine', directory, write })) as Examined | Damage;
}

/** Makes a new store from the readable content of a damaged one. @throws as `examine` */
export async function rebuild(directory: string, to: string, bytes: number, withEntries: boolean) {
  return (await inChild({ kind: 'rebuild', directory, to, bytes, withEntries })) as Rebuilt | Damage;
}

async function inChild(request: ExamineRequest): Promise<Examined | Rebuilt | Damage> {
  const child = fork(fileURLToPath(new URL('./examine-child.js', import.meta.url)), [], {
    // The child does not inherit a debugger or preloaded scripts of this process.
    execArgv: [],
    env: childEnvironment(),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let said: ExamineAnswer | undefined;
  child.on('message', (message: ExamineAnswer) => {
    said = message;
  });
  child.send(request);
  const how = await new Promise<string>((resolve, reject) => {
    // It may be impossible to end it, so its end is not awaited.
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      child.unref();
      reject(new Error(`reading the outbox took more than ${patienceMs / 1000} s`));
    }, patienceMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(late);
      resolve(signal ?? `exit code ${code}`);
    });
  });
  if (said && 'refused' in said) throw new RefusedError(said.refused, said.code);
  if (said) return 'value' in said ? said.value : said;
  if (deadly.includes(how)) return { damage: `reading it ended the process (${how})` };
  throw new Error(`the process that examines the outbox ended (${how})`);
}
