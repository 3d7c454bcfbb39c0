/** The storage directory as a running agent holds it: readable by this version, and nobody else's meanwhile. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { claimLayout, requireReadable } from '../../models/layout.ts';
import { takeLock } from '../../models/lock.ts';
import { finishRestore } from '../backup/place.ts';

/**
 * Held by a running agent, and by whoever must not meet one. A restore that was cut off is finished first.
 * @throws QcError agent-running
 */
export async function holdDataDirectory(directory: string): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true });
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
 * @throws QcError data-newer, data-damaged, agent-running
 */
export async function openDataDirectory(directory: string, version: string): Promise<AsyncDisposable> {
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
