/**
 * Replaces the storage directory with a restored backup. Everything is complete in `.restore-<id>` before anything is moved,
 * and each step can be repeated, so that the next start finishes a restore after a power failure.
 */
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { syncFolder } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';

const ready = /^\.restore-([0-9A-Z]{26})$/;
const draft = /^\.restore-[0-9A-Z]{26}\.draft$/;

/** Where a restore is prepared; renaming it to `readyFolder` commits it. */
export const draftFolder = (storage: string, id: string) => join(storage, `.restore-${id}.draft`);
export const readyFolder = (storage: string, id: string) => join(storage, `.restore-${id}`);
/** Where the previous files are kept. */
export const beforeFolder = (storage: string, id: string) => join(storage, `before-restore-${id}`);

/**
 * Finishes every committed restore and deletes the others. Nobody else may use the directory.
 * @throws QcError data-damaged
 */
export async function finishRestore(storage: string): Promise<void> {
  for (const name of (await readdir(storage)).sort()) {
    if (draft.test(name)) await rm(join(storage, name), { recursive: true, force: true });
    const id = ready.exec(name)?.[1];
    if (id === undefined) continue;
    await place(storage, id).catch((cause: Error) => {
      const what = `a restore of ${storage} was interrupted and cannot be finished: ${cause.message}`;
      throw new QcError('data-damaged', what, {
        remedy: 'free disk space or check the disk, then start again',
        cause,
      });
    });
  }
}

async function place(storage: string, id: string): Promise<void> {
  const from = readyFolder(storage, id);
  const before = beforeFolder(storage, id);
  await makeFolders(before);
  for (const name of await readdir(from)) {
    // A file that is still here was not moved yet: the one at its destination is the old one.
    if (existsSync(join(storage, name))) await rename(join(storage, name), join(before, name));
    await rename(join(from, name), join(storage, name));
  }
  await syncFolder(before);
  await syncFolder(storage);
  await rm(from, { recursive: true, force: true });
}
