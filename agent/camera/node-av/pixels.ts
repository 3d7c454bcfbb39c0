/**
 * Transfers pixels from a decoding process to the agent through a file in memory that is unlinked at once, so that nothing
 * remains of it however either process ends. In messages, pixels would be copied several times, and collecting that garbage
 * would block the agent's main loop.
 */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { Image } from '../../../models/image.ts';
import type { Size } from '../geometry.ts';
import { countPixels } from '../pixel-gc.ts';

/** The file's descriptor in the decoding process: after its standard streams and the channel. */
export const pixelDescriptor = 4;
/** Maximum number of images in transfer; each has its slot. */
export const pixelSlots = 2;

/** Size of a slot, bytes. The file is sparse: only written parts use memory. */
const slotBytes = 2 ** 30;
const sharedMemory = '/dev/shm';
/** Minimum free space, bytes: with less, a single large image can fill it (Docker's default is 64 MB). */
const minFree = 32e6;

/** Opens the file for one decoding process and returns its descriptor; the caller closes it. */
export function openPixelFile(): number {
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  const file = join(hasRoom(sharedMemory) ? sharedMemory : tmpdir(), `qc-agent-${ulid()}`);
  const descriptor = openSync(file, O_RDWR | O_CREAT | O_EXCL, 0o600);
  try {
    unlinkSync(file);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return descriptor;
}

function hasRoom(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= minFree;
}

/** Writes images one after the other into a slot. @throws the error of the file system (ENOSPC) */
export function writePixels(descriptor: number, slot: number, images: readonly Image[]): void {
  let at = slot * slotBytes;
  for (const { data } of images) {
    for (let done = 0; done < data.length; ) {
      done += writeSync(descriptor, data, done, data.length - done, at + done);
    }
    at += data.length;
  }
}

/** Reads the RGB images that `writePixels` wrote, one for each size. @throws if pixels are missing */
export function readPixels(descriptor: number, slot: number, sizes: readonly Size[]): Image[] {
  let at = slot * slotBytes;
  return sizes.map(({ width, height }) => {
    const bytes = width * height * 3;
    countPixels(bytes);
    const data = Buffer.allocUnsafeSlow(bytes);
    for (let done = 0; done < data.length; ) {
      const read = readSync(descriptor, data, done, data.length - done, at + done);
      if (read === 0) throw new Error(`${width} × ${height} pixels were announced but are missing`);
      done += read;
    }
    at += data.length;
    return { width, height, data };
  });
}
