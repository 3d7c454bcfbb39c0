/** Looks whether a store is whole, from a safe distance: lmdb trusts its file, and a damaged one kills the process. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../../config/child-environment.ts';
import type { Found } from './disk.ts';

export type Examined =
  /** Every entry was read; `unreadable` of them are damaged. What the journal holds counts as found. */
  { readonly found: Found; readonly unreadable: number } | { readonly damage: string };

/** From the child, where the operating system lets it not even look. */
export interface Refused {
  readonly refused: string;
}

/** To the child. */
export interface Examine {
  readonly directory: string;
  /** Also tries to write; only where nobody else has the store open. */
  readonly write: boolean;
}

/** What a process dies of that follows a page number out of the file. */
const deadly: readonly unknown[] = ['SIGBUS', 'SIGSEGV', 'SIGABRT', 'SIGILL', 'SIGFPE'];

/** Reads every entry in a process of its own. @throws where that cannot be started or is stopped from outside */
export async function examine(options: Examine): Promise<Examined> {
  const child = fork(fileURLToPath(new URL('./examine-child.js', import.meta.url)), [], {
    // A debugger or a preloaded script of this process is not for the child.
    execArgv: [],
    env: childEnvironment(),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let said: Examined | Refused | undefined;
  child.on('message', (message: Examined | Refused) => {
    said = message;
  });
  child.send(options);
  const how = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  if (said && 'refused' in said) throw new Error(said.refused);
  if (said) return said;
  if (deadly.includes(how)) return { damage: `reading it ended the process (${how})` };
  throw new Error(`the process that examines the outbox ended (${how})`);
}
