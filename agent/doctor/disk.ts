/** Checks the storage directory: it exists, is writable, and has free space. */
import { randomUUID } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { requireDataFileSystem } from '../../models/disk/folders.ts';
import { requireReadable } from '../../models/disk/layout.ts';
import { type Finding, failure, failureOf, good, warning } from './finding.ts';

const minBytes = 200e6;
const fewBytes = 2e9;
const makeRoom = 'free some space, move storage.directory to a larger disk, or lower storage.evidenceQuotaMb';

/**
 * Leaves nothing behind: a missing directory is created by the agent with its own owner, so the nearest parent is tested
 * instead. @throws QcError storage-unusable
 */
export async function checkDisk(directory: string): Promise<Finding[]> {
  const place = await nearest(directory);
  if (place === undefined) return [forbidden(directory)];
  if (!(await stat(place)).isDirectory()) {
    return [failure('disk', `${place} is a file, not a directory`, 'correct storage.directory')];
  }
  await requireDataFileSystem(place);
  const { bavail, bsize, files, ffree } = await statfs(place);
  const room = roomFinding(directory, bavail * bsize, files > 0 && ffree === 0);
  if (room.level === 'fail') return [room];
  const fault = (await whyNotWritable(place)) ?? (await whyNotReadable(directory));
  if (fault) return [fault];
  return place === directory || room.level !== 'ok'
    ? [room]
    : [good('disk', `${room.detail}; the agent creates it when it starts`)];
}

/** @param noFiles the file system has space, but no inodes */
export function roomFinding(directory: string, freeBytes: number, noFiles = false): Finding {
  const said = `${directory}: ${size(freeBytes)} free`;
  if (noFiles)
    return failure('disk', `${directory}: no more files can be created (no inodes left)`, makeRoom);
  if (freeBytes < minBytes) return failure('disk', said, makeRoom);
  return freeBytes < fewBytes ? warning('disk', said, makeRoom) : good('disk', said);
}

function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.floor(bytes / 1e6)} MB`;
}

/** The directory or its nearest existing parent; undefined without permission to look it up. */
async function nearest(directory: string): Promise<string | undefined> {
  for (let place = directory; ; place = dirname(place)) {
    try {
      await stat(place);
      return place;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES') return undefined;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    }
  }
}

function forbidden(place: string): Finding {
  return failure(
    'disk',
    `no permission to write to ${place}`,
    'run this command as the user who runs the agent, and make that user the owner of the directory (chown)',
  );
}

/** Data of a newer agent must not be changed. */
async function whyNotReadable(directory: string): Promise<Finding | undefined> {
  return requireReadable(directory).then(
    () => undefined,
    (error) => {
      if (error instanceof QcError) return failureOf('disk', error);
      throw error;
    },
  );
}

/** Only a write detects missing permissions, read-only mounts, quotas and broken disks. */
async function whyNotWritable(place: string): Promise<Finding | undefined> {
  const file = join(place, `.doctor-${randomUUID()}`);
  try {
    const handle = await open(file, 'wx');
    try {
      await handle.write(Buffer.alloc(4096, 1));
      await handle.sync();
    } finally {
      await handle.close();
    }
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return forbidden(place);
    if (code === 'EROFS') {
      return failure('disk', `${place} is mounted read-only`, 'mount it for writing, or check the disk');
    }
    if (code === 'ENOSPC' || code === 'EDQUOT') return failure('disk', `${place} is full`, makeRoom);
    return failure('disk', `cannot write to ${place}: ${message}`, 'check the disk and storage.directory');
  } finally {
    await rm(file, { force: true }).catch(() => undefined);
  }
}
