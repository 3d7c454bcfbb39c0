/**
 * Pixels on their way from a decoding process to the agent: a file in memory that no name leads to, so that nothing
 * is left of it however either process ends. Sent as messages they would be copied several times, and the garbage
 * of that stops the agent's main loop for longer than anything else it does.
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
import { madePixels } from '../pixel-gc.ts';

/** Where the decoding process finds the file: after its standard streams and the channel. */
export const pixelDescriptor = 4;
/** Images that may be under way at once; each has its slot. */
export const pixelSlots = 2;

/** Room between two slots, bytes. The file is sparse: only what is written takes memory. */
const slotBytes = 2 ** 30;
const sharedMemory = '/dev/shm';
/** Less than this and one large image might fill it (Docker gives 64 MB), bytes. */
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

/** Writes images one after the other into a slot. Throws what the file system says (ENOSPC). */
export function writePixels(descriptor: number, slot: number, images: readonly Image[]): void {
  let at = slot * slotBytes;
  for (const { data } of images) {
    for (let done = 0; done < data.length; ) {
      done += writeSync(descriptor, data, done, data.length - done, at + done);
    }
    at += data.length;
  }
}

/** Reads what `writePixels` wrote, RGB, one image for each size. Throws where it is not all there. */
export function readPixels(descriptor: number, slot: number, sizes: readonly Size[]): Image[] {
  let at = slot * slotBytes;
  return sizes.map(({ width, height }) => {
    const bytes = width * height * 3;
    madePixels(bytes);
    const data = Buffer.allocUnsafeSlow(bytes);
    for (let done = 0; done < data.length; ) {
      const read = readSync(descriptor, data, done, data.length - done, at + done);
      if (read === 0) throw new Error(`${width} × ${height} pixels were announced and are not there`);
      done += read;
    }
    at += data.length;
    return { width, height, data };
  });
}
