/** Reads a store from a safe distance: lmdb trusts its file, and a damaged one kills the process. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../../config/child-environment.ts';
import type { Found } from './disk.ts';
import type { Rebuilt } from './rebuild.ts';

/** Every entry was read. What the journal holds counts as found. */
export interface Examined {
  readonly found: Found;
  /** Entries that are there and damaged. */
  readonly unreadable: number;
  /** Entries that should be there and are not. */
  readonly missing: number;
}

/** To the child. */
export type ExamineRequest =
  | {
      readonly kind: 'examine';
      readonly directory: string;
      /** Also tries to write; only if nobody else has the store open. */
      readonly write: boolean;
    }
  | {
      readonly kind: 'rebuild';
      readonly directory: string;
      /** Empty folder for the new store. */
      readonly to: string;
      /** Most that will be kept, bytes. */
      readonly bytes: number;
      /** Reads the entries too; without, only what the store recorded about itself. */
      readonly withEntries: boolean;
    };

/** From the child. */
export type ExamineAnswer =
  | { readonly value: Examined | Rebuilt }
  | Damage
  /** The operating system refused, which says nothing about the file. */
  | { readonly refused: string; readonly code: string | number };

export interface Damage {
  readonly damage: string;
}

/** What a process dies of that follows a page number out of the file. */
const deadly: readonly unknown[] = ['SIGBUS', 'SIGSEGV', 'SIGABRT', 'SIGILL', 'SIGFPE'];
/** A disk that takes longer hangs, ms. */
const patienceMs = 300_000;

/** What the operating system refused. */
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

/** Makes a new store of what can be read of a damaged one. @throws as `examine` */
export async function rebuild(directory: string, to: string, bytes: number, withEntries: boolean) {
  return (await inChild({ kind: 'rebuild', directory, to, bytes, withEntries })) as Rebuilt | Damage;
}

async function inChild(request: ExamineRequest): Promise<Examined | Rebuilt | Damage> {
  const child = fork(fileURLToPath(new URL('./examine-child.js', import.meta.url)), [], {
    // A debugger or a preloaded script of this process is not for the child.
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
    // It may not even be possible to end it: nobody waits for that.
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
