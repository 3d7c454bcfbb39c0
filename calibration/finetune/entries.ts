/**
 * Entries of a block for all images, on disk: each image runs through the frozen part of the base once.
 *
 * Layout of a record, little endian: float16 [C,H,W] of the map, float32 of the other tensors, uint32 CRC-32 of both. Records from the first
 * damaged one on (after a power cut) are computed again.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { packHalf, unpackHalf } from '../../models/onnx/tensors.ts';
import type { Entry } from './block.ts';

export interface Entries extends AsyncDisposable {
  readonly count: number;
  add(entry: Entry): Promise<void>;
  /** Copies a record. @param map [C·H·W] @param others one row for each tensor */
  read(index: number, map: Float32Array, others: readonly Float32Array[]): Promise<void>;
}

/** @param file continued if it exists @param sizes values of the map and of each other tensor */
export async function openEntries(file: string, sizes: readonly [number, ...number[]]): Promise<Entries> {
  const [mapSize, ...otherSizes] = sizes;
  const mapBytes = 2 * mapSize;
  const content = mapBytes + 4 * otherSizes.reduce((a, b) => a + b, 0);
  const bytes = content + 4;
  const handle: FileHandle = await open(file, 'a+');
  const record = Buffer.alloc(bytes);
  let count = 0;
  while (await isIntact(count)) count++;
  await handle.truncate(count * bytes);

  async function isIntact(index: number): Promise<boolean> {
    const { bytesRead } = await handle.read(record, 0, bytes, index * bytes);
    return bytesRead === bytes && crc32(record.subarray(0, content)) === record.readUInt32LE(content);
  }

  return {
    get count() {
      return count;
    },
    async add({ map, others }) {
      const half = packHalf(map);
      const parts = [half, ...others].map(({ buffer, byteOffset, byteLength }) =>
        Buffer.from(buffer, byteOffset, byteLength),
      );
      const values = Buffer.concat(parts);
      const sum = Buffer.alloc(4);
      sum.writeUInt32LE(crc32(values));
      await handle.appendFile(Buffer.concat([values, sum]));
      count++;
    },
    async read(index, map, others) {
      const { bytesRead } = await handle.read(record, 0, bytes, index * bytes);
      if (bytesRead !== bytes) throw new Error(`the file with the maps ends before record ${index}`);
      unpackHalf(new Uint16Array(record.buffer, record.byteOffset, mapSize), map);
      let at = mapBytes;
      for (const [i, size] of otherSizes.entries()) {
        const row = others[i]!;
        for (let d = 0; d < size; d++) row[d] = record.readFloatLE(at + 4 * d);
        at += 4 * size;
      }
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}
