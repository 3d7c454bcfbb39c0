/** The storage directory as a running agent holds it: readable by this version, and nobody else's meanwhile. */

import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { isDiskFault } from '../../models/disk/disk-fault.ts';
import { makeFolders, requireDataFileSystem } from '../../models/disk/folders.ts';
import { claimLayout, requireReadable } from '../../models/disk/layout.ts';
import { takeLock } from '../../models/disk/lock.ts';
import { finishRestore } from './finish-restore.ts';
import { retry } from './retry.ts';

/**
 * Held by a running agent, and by whoever must not meet one. A restore that was cut off is finished first.
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
 * Makes the directory where it is missing, and holds it until it is disposed of.
 * @throws QcError storage-unusable, data-newer, data-damaged, agent-running, or what the file system says
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
  /** Rejects if the directory turns out to be another agent's, or of a newer one; never resolves. */
  readonly refused: Promise<never>;
}

export interface LateOptions {
  /** Told why the directory cannot be used; an empty text when it can again. */
  readonly onFault: (text: string) => void;
  /** How often it is tried, ms; default 5,000. */
  readonly retryMs?: number;
}

/**
 * As `openDataDirectory`, but a disk that takes nothing (full, read-only, no rights) is no reason not to inspect: the
 * directory is taken as soon as that is possible.
 * @throws QcError data-newer, data-damaged, agent-running, or what the file system says of a path that can never be one
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
    `storage: ${directory} cannot be used (${(error as Error).message}): make room, or check the disk and the rights`;
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
