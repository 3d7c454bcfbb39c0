/** Opens the storage directory for one agent: checks that this version can read it, and locks it. */

import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { isDiskFault } from '../../models/disk/disk-fault.ts';
import { makeFolders, requireDataFileSystem } from '../../models/disk/folders.ts';
import { claimLayout, requireReadable } from '../../models/disk/layout.ts';
import { takeLock } from '../../models/disk/lock.ts';
import { finishRestore } from './finish-restore.ts';
import { retry } from './retry.ts';

/**
 * Locks the directory for an agent, or for a command that must not run next to one. Finishes an interrupted restore first.
 * @throws QcError agent-running
 */
export async function holdDataDirectory(directory: string): Promise<AsyncDisposable> {
  await makeFolders(directory);
  const lock = await takeLock(join(directory, 'agent.lock'), {
    code: 'agent-running',
    does: 'uses this storage',
  });
  try {
    await finishRestore(directory);
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Creates the directory if it is missing, and locks it until it is disposed of.
 * @throws QcError storage-unusable, data-newer, data-damaged, agent-running, or an error of the file system
 */
export async function openDataDirectory(directory: string, version: string): Promise<AsyncDisposable> {
  await requireDataFileSystem(directory);
  await requireReadable(directory);
  const lock = await holdDataDirectory(directory);
  try {
    await claimLayout(directory, version);
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

export interface LateDataDirectory extends AsyncDisposable {
  /** Rejects if the directory belongs to another agent or to a newer version; never resolves. */
  readonly refused: Promise<never>;
}

export interface LateOptions {
  /** Reports why the directory cannot be used; an empty text when it can be used again. */
  readonly onFault: (text: string) => void;
  /** Interval of attempts, ms; default 5,000. */
  readonly retryMs?: number;
}

/**
 * Like `openDataDirectory`, but inspection also starts on a disk that cannot be written (full, read-only, no permission): the
 * directory is opened as soon as that is possible.
 * @throws QcError data-newer, data-damaged, agent-running, or an error of the file system for a path that can never be a directory
 */
export async function openDataDirectoryInTime(
  directory: string,
  version: string,
  { onFault, retryMs = 5_000 }: LateOptions,
): Promise<LateDataDirectory> {
  const done = new AbortController();
  let held: AsyncDisposable | undefined;
  let refuse: (error: unknown) => void = () => undefined;
  const refused = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  refused.catch(() => undefined);
  const attempt = async () => {
    held = await openDataDirectory(directory, version);
  };
  const why = (error: unknown) =>
    `storage: ${directory} cannot be used (${(error as Error).message}): free disk space, or check the disk and its permissions`;
  let running: Promise<void> = Promise.resolve();
  try {
    await attempt();
  } catch (error) {
    if (error instanceof QcError || !isDiskFault(error)) throw error;
    onFault(why(error));
    running = retry(
      async () => {
        await attempt();
        onFault('');
        done.abort();
      },
      {
        signal: done.signal,
        minMs: retryMs,
        maxMs: retryMs,
        onFailure(error) {
          if (!(error instanceof QcError) && isDiskFault(error)) return onFault(why(error));
          done.abort();
          refuse(error);
        },
      },
    );
  }
  return {
    refused,
    async [Symbol.asyncDispose]() {
      done.abort();
      await running;
      await held?.[Symbol.asyncDispose]();
    },
  };
}
