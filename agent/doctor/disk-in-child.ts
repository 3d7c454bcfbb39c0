/**
 * A hanging disk or network drive blocks the threads that access it, and a process with blocked threads cannot exit. So a
 * child process checks it and is abandoned if necessary.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../config/child-environment.ts';
import { type ErrorCode, QcError } from '../../config/errors.ts';
import type { Finding } from './finding.ts';

/** Request to the child. */
export interface DiskQuestion {
  readonly directory: string;
}

/** Answer of the child. */
export type DiskAnswer =
  | { readonly findings: Finding[] }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly remedy: string } };

export function failedWith(error: unknown): DiskAnswer {
  const known = error instanceof QcError ? error : new QcError('internal', String(error));
  return { error: { code: known.code, message: known.message, remedy: known.remedy } };
}

/** @throws QcError as the check, and the reason of the signal: then the child is abandoned */
export async function checkDiskInChild(directory: string, signal: AbortSignal): Promise<Finding[]> {
  const child = fork(fileURLToPath(new URL('./disk-child.js', import.meta.url)), [], {
    execArgv: [],
    env: childEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    const answer = await new Promise<DiskAnswer>((resolve, reject) => {
      const stop = () => reject(signal.reason);
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      child.once('message', (message) => resolve(message as DiskAnswer));
      child.once('error', reject);
      child.once('exit', (code, killed) => {
        reject(new Error(`the process that checks the disk ended (${killed ?? `exit code ${code}`})`));
      });
      child.send({ directory } satisfies DiskQuestion);
    });
    if ('findings' in answer) return answer.findings;
    const { code, message, remedy } = answer.error;
    throw new QcError(code, message, { remedy });
  } finally {
    child.kill('SIGKILL');
    if (child.connected) child.disconnect();
    child.unref();
  }
}
