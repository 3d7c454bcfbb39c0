/** The storage directory as a running agent holds it: readable by this version, and nobody else's meanwhile. */
import { join } from 'node:path';
import { claimLayout } from '../../models/layout.ts';
import { takeLock } from '../../models/lock.ts';
import type { Log } from './log.ts';

/** Held by a running agent, and by whoever must not meet one. */
export async function holdDataDirectory(directory: string): Promise<AsyncDisposable> {
  return takeLock(join(directory, 'agent.lock'), { code: 'agent-running', does: 'uses this storage' });
}

/**
 * Makes the directory where it is missing, and holds it until it is disposed of.
 * @throws QcError data-newer, data-damaged, agent-running
 */
export async function openDataDirectory(
  directory: string,
  { version }: { readonly log: Log; readonly version: string },
): Promise<AsyncDisposable> {
  await claimLayout(directory, version);
  return holdDataDirectory(directory);
}
