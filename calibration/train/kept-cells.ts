/**
 * Cells of labelled images on disk, so that each image needs one inference only: `<storage>/features/<base>-cells/<frame>-<view>.f16`.
 *
 * Layout of a file, little endian:
 *
 *   uint32 × 6   CRC-32 of all that follows, channels, rows, columns, width and height of the image
 *   float16      [channels][rows · columns]
 *
 * A file with a wrong length or checksum (after a power cut) is treated as absent. The folder is a cache: it holds at most `maxBytes`,
 * the least recently used files are deleted first, and nothing is written to a nearly full disk.
 */
import { readdir, readFile, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Cells } from '../../models/cells.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Image } from '../../models/image.ts';
import type { BaseManifest } from '../../models/manifest.ts';

/** Cells of one view of an image, as float16. */
export interface PackedCells extends Omit<Cells, 'data'> {
  /** [channels][height·width] */
  readonly half: Uint16Array;
  /** Size of view 0. */
  readonly image: Pick<Image, 'width' | 'height'>;
}

export interface KeptCells {
  /** Undefined if they are not stored, or damaged. @param id of the frame */
  read(id: string, view: number): Promise<PackedCells | undefined>;
  /** @returns false if there is no room */
  keep(id: string, view: number, cells: PackedCells): Promise<boolean>;
}

export interface KeptCellsOptions {
  readonly storageDirectory: string;
  readonly base: Pick<BaseManifest, 'sha256'>;
  /** Free space that must remain on the disk. */
  readonly minFreeBytes: number;
  /** Default 1 GB: 1,600 views at 224 × 224 pixels, the most that a training uses. */
  readonly maxBytes?: number;
  readonly onNotice: (text: string) => void;
}

const headerBytes = 24;
const folderEnd = '-cells';

/** The limit applies to the cells of all bases together. */
export async function openKeptCells({
  storageDirectory,
  base,
  minFreeBytes,
  maxBytes = 1e9,
  onNotice,
}: KeptCellsOptions): Promise<KeptCells> {
  const features = join(storageDirectory, 'features');
  const folder = join(features, `${base.sha256.slice(0, 16)}${folderEnd}`);
  /** Files that this training has not used, least recently used first. */
  const unused = new Map((await filesBelow(features)).map(({ file, bytes }) => [file, bytes]));
  let total = sum(unused.values());
  let isBroken = false;
  const fileOf = (id: string, view: number) => join(folder, `${id}-${view}.f16`);

  async function remove(file: string): Promise<void> {
    total -= unused.get(file) ?? 0;
    unused.delete(file);
    await rm(file, { force: true });
  }

  async function makeRoom(bytes: number): Promise<boolean> {
    while (total + bytes > maxBytes) {
      const [oldest] = unused.keys();
      if (oldest === undefined) return false;
      await remove(oldest);
    }
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize - bytes >= minFreeBytes;
  }

  return {
    async read(id, view) {
      const file = fileOf(id, view);
      const bytes = await readFile(file).catch(() => undefined);
      const cells = bytes && unpacked(bytes);
      if (cells && unused.delete(file)) {
        const now = new Date();
        await utimes(file, now, now).catch(() => undefined);
      }
      return cells;
    },
    async keep(id, view, cells) {
      if (isBroken) return false;
      const file = fileOf(id, view);
      const bytes = packed(cells);
      try {
        await makeFolders(folder);
        await remove(file);
        if (!(await makeRoom(bytes.length))) return false;
        await writeFile(file, bytes);
        total += bytes.length;
        return true;
      } catch (error) {
        isBroken = true;
        await rm(file, { force: true }).catch(() => undefined);
        onNotice(`feature maps are not stored for the next training: ${(error as Error).message}`);
        return false;
      }
    },
  };
}

function packed({ channels, height, width, image, half }: PackedCells): Buffer {
  const bytes = Buffer.alloc(headerBytes + half.byteLength);
  [channels, height, width, image.width, image.height].forEach((value, i) => {
    bytes.writeUInt32LE(value, 4 * (i + 1));
  });
  bytes.set(new Uint8Array(half.buffer, half.byteOffset, half.byteLength), headerBytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

function unpacked(bytes: Buffer): PackedCells | undefined {
  if (bytes.length < headerBytes || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) return undefined;
  const [channels, height, width, across, down] = [4, 8, 12, 16, 20].map((at) => bytes.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const count = channels * height * width;
  if (bytes.length !== headerBytes + 2 * count) return undefined;
  const half = new Uint16Array(bytes.buffer, bytes.byteOffset + headerBytes, count);
  return { half, channels, height, width, image: { width: across, height: down } };
}

/** All cell files, least recently used first. */
async function filesBelow(features: string) {
  const names = await readdir(features).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith(folderEnd))
      .map(async (name) => {
        const files = await readdir(join(features, name)).catch(() => []);
        return await Promise.all(files.map((one) => usedAt(join(features, name, one))));
      }),
  );
  return found
    .flat()
    .filter((one) => one !== undefined)
    .sort((a, b) => a.usedAt - b.usedAt);
}

async function usedAt(file: string) {
  const found = await stat(file).catch(() => undefined);
  return found && { file, bytes: found.size, usedAt: found.mtimeMs };
}

const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
