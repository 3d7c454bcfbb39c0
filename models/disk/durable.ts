/** Atomic, durable file writes: after a power cut a file is complete or absent. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { platform } from 'node:process';

/**
 * Writes a temporary file, syncs it and renames it.
 * @param mode permissions of the file; default: those of a new file
 * @throws file system errors; the file is then unchanged
 */
export async function writeDurably(file: string, content: string | Uint8Array, mode?: number): Promise<void> {
  const draft = `${file}.draft`;
  try {
    const handle = await open(draft, 'w', mode);
    try {
      // The mask of the process may have removed permissions, and the draft of a killed process keeps its own.
      if (mode !== undefined) await handle.chmod(mode);
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(file));
}

/** Syncs the entries of a folder. Not possible and not needed on Windows. */
export async function syncFolder(folder: string): Promise<void> {
  if (platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Syncs a file that was written elsewhere. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
