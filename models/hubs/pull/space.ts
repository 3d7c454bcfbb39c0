/** Checks the free space on the disk of the station, which results and evidence also need. */
import { statfs } from 'node:fs/promises';
import { QcError } from '../../../config/errors.ts';

/** @throws QcError disk-too-small */
export async function requireSpace(folder: string, bytes: number, minFreeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free - bytes >= minFreeBytes) return;
  const mb = (value: number) => `${Math.ceil(value / 1e6)} MB`;
  throw new QcError(
    'disk-too-small',
    `${folder} has ${mb(free)} free; the download needs ${mb(bytes)}, and ${mb(minFreeBytes)} must stay free (storage.minFreeMb)`,
  );
}
