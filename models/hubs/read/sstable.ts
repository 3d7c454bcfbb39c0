/**
 * A table of sorted keys, as written by LevelDB and TensorFlow
 * (https://github.com/google/leveldb/blob/main/doc/table_format.md): blocks of entries with shared beginnings of keys, and
 * an index block; a block may be compressed with Snappy.
 */

import { type Bytes, Cursor, damaged } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { unsnap } from './snappy.ts';

const footerLength = 48;
const magic = 'db4775248b80fb57';
const maxBlock = 64 * 2 ** 20;
const maxEntries = 100_000;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** All entries, in order. @throws QcError weights-damaged */
export async function readTable(bytes: Bytes): Promise<Map<string, Uint8Array>> {
  const { name: file, size } = bytes;
  if (size < footerLength) throw damaged(file, 'it is too short for a table');
  const footer = new Cursor(file, await bytes.read(size - footerLength, footerLength));
  const end = Buffer.from(footer.bytes.subarray(-8)).reverse().toString('hex');
  if (end !== magic) throw damaged(file, 'it is not a table of TensorFlow, or its end is missing');
  handleFrom(footer); // of the metaindex block, which is empty in TensorFlow
  const entries = new Map<string, Uint8Array>();
  for (const [, index] of await readBlock(bytes, handleFrom(footer))) {
    for (const [key, value] of await readBlock(bytes, handleFrom(new Cursor(file, index)))) {
      if (entries.size >= maxEntries) throw damaged(file, `it has over ${maxEntries} entries`);
      entries.set(key, value);
    }
  }
  return entries;
}

function handleFrom(cursor: Cursor): Handle {
  return { offset: cursor.varint(), size: cursor.varint() };
}

/** The entries of a block; after it come its compression and a checksum of both. */
async function readBlock(bytes: Bytes, { offset, size }: Handle): Promise<[string, Uint8Array][]> {
  const { name: file } = bytes;
  if (size > maxBlock) throw damaged(file, `one of its blocks has ${size} bytes`);
  const stored = await bytes.read(offset, size + 5);
  const trailer = new Cursor(file, stored, size);
  const compression = trailer.u8();
  if (trailer.u32() !== crc32c(stored.subarray(0, size + 1)))
    throw damaged(file, `the checksum of its block at byte ${offset} is wrong`);
  const raw = stored.subarray(0, size);
  if (compression !== 0 && compression !== 1)
    throw damaged(file, `one of its blocks has compression ${compression}`);
  return entriesOf(file, compression === 1 ? unsnap(file, raw, maxBlock) : raw);
}

function entriesOf(file: string, block: Uint8Array): [string, Uint8Array][] {
  if (block.length < 4) throw damaged(file, 'one of its blocks is too short');
  const restarts = new Cursor(file, block, block.length - 4).u32();
  const end = block.length - 4 - restarts * 4;
  if (end < 0) throw damaged(file, 'one of its blocks is damaged');
  const cursor = new Cursor(file, block.subarray(0, end));
  const found: [string, Uint8Array][] = [];
  let key: Uint8Array = new Uint8Array(0);
  while (cursor.left > 0) {
    const [shared, own, length] = [cursor.varint(), cursor.varint(), cursor.varint()];
    if (shared > key.length || own > 100_000) throw damaged(file, 'one of its keys is damaged');
    key = Buffer.concat([key.subarray(0, shared), cursor.take(own)]);
    found.push([Buffer.from(key).toString('latin1'), cursor.take(length)]);
  }
  return found;
}
