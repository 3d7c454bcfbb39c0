/** The links of new groups with more than eight of them: a fractal heap (III.G) and a tree of its ids (III.A.2). */
import { Cursor, damaged, unsupported } from '../bytes.ts';
import type { Place } from './messages.ts';

export interface FractalHeap {
  readonly idLength: number;
  /** @throws QcError weights-… */
  read(id: Uint8Array): Promise<Uint8Array>;
}

const maxRows = 64;
const maxObjectBytes = 2 ** 20;

interface Shape {
  readonly width: number;
  readonly start: number;
  readonly maxDirect: number;
  readonly offsetBytes: number;
}

/** Header (III.G.1). */
export async function openFractalHeap({ bytes }: Place, address: number): Promise<FractalHeap> {
  const { name: file } = bytes;
  const cursor = new Cursor(file, await bytes.read(address, 142));
  if (cursor.text(4) !== 'FRHP') throw damaged(file, 'the heap of a group is damaged');
  cursor.skip(1);
  const idLength = cursor.u16();
  if (cursor.u16() !== 0) throw unsupported(file, 'the heap of a group is compressed');
  cursor.skip(1);
  const maxObject = cursor.u32();
  cursor.skip(12 * 8);
  const width = cursor.u16();
  const [start, maxDirect] = [cursor.u64(), cursor.u64()];
  const heapBits = cursor.u16();
  cursor.skip(2);
  const root = cursor.u64();
  const rows = cursor.u16();
  const isSize = (value: number) => value >= 1 && value <= 2 ** 32 && Number.isInteger(Math.log2(value));
  if (!isSize(start) || !isSize(maxDirect) || width < 1 || width > 1_024 || rows > maxRows || heapBits > 48)
    throw damaged(file, 'the heap of a group has impossible sizes');
  const offsetBytes = Math.ceil(heapBits / 8);
  const lengthBytes = Math.min(
    Math.floor((Math.log2(maxDirect) + 7) / 8),
    Math.floor(Math.log2(Math.max(1, maxObject)) / 8) + 1,
  );
  const shape = { width, start, maxDirect, offsetBytes };
  return {
    idLength,
    async read(id) {
      const part = new Cursor(file, id);
      if ((part.u8() & 0x30) !== 0) throw unsupported(file, 'a group keeps a name outside its heap');
      const [offset, length] = [part.uint(offsetBytes), part.uint(lengthBytes)];
      if (length > maxObjectBytes) throw damaged(file, `a link has ${length} bytes`);
      return bytes.read(await placeOf({ bytes }, shape, root, rows, offset), length);
    },
  };
}

/** The address of an offset of the heap: in a direct block, referenced by indirect blocks (III.G.2). */
async function placeOf(
  place: Place,
  shape: Shape,
  root: number,
  rows: number,
  offset: number,
): Promise<number> {
  if (rows === 0) return root + offset;
  const { width, start, maxDirect, offsetBytes } = shape;
  let [block, from, count] = [root, 0, rows];
  for (let depth = 0; depth < 8; depth++) {
    let before = from;
    for (let row = 0; row < count; row++) {
      const size = start * 2 ** Math.max(0, row - 1);
      if (offset >= before + size * width) {
        before += size * width;
        continue;
      }
      const column = Math.floor((offset - before) / size);
      const at = block + 13 + offsetBytes + (row * width + column) * 8;
      const child = new Cursor(place.bytes.name, await place.bytes.read(at, 8)).u64();
      const childFrom = before + column * size;
      if (size <= maxDirect) return child + offset - childFrom;
      [block, from] = [child, childFrom];
      // An indirect block covers as much as all its rows together.
      count = Math.log2(size) - Math.log2(start * width) + 1;
      break;
    }
    if (block === root || !(count >= 1 && count <= maxRows)) break;
  }
  throw damaged(place.bytes.name, 'a link of a group lies outside its heap');
}

const maxRecords = 50_000;

/** The ids in a tree of version 2 that is indexed by name (record type 5, III.A.2). */
export async function heapIds({ bytes }: Place, address: number, idLength: number): Promise<Uint8Array[]> {
  const { name: file } = bytes;
  const header = new Cursor(file, await bytes.read(address, 38));
  if (header.text(4) !== 'BTHD') throw damaged(file, 'the index of a group is damaged');
  header.skip(1);
  const type = header.u8();
  const [nodeSize, recordSize, depth] = [header.u32(), header.u16(), header.u16()];
  header.skip(2);
  const root = header.u64();
  const inRoot = header.u16();
  if (type !== 5 || recordSize !== 4 + idLength)
    throw unsupported(file, `the index of a group has type ${type}`);
  if (depth > 1 || nodeSize < 64 || nodeSize > 2 ** 20)
    throw unsupported(file, 'the index of a group is too deep');
  const maxInLeaf = Math.floor((nodeSize - 10) / recordSize);
  const countBytes = Math.floor(Math.log2(Math.max(1, maxInLeaf)) / 8) + 1;
  const ids: Uint8Array[] = [];
  const node = async (at: number, count: number, isLeaf: boolean): Promise<void> => {
    const cursor = new Cursor(file, await bytes.read(at, nodeSize));
    if (cursor.text(4) !== (isLeaf ? 'BTLF' : 'BTIN')) throw damaged(file, 'the index of a group is damaged');
    cursor.skip(2);
    if (ids.length + count > maxRecords) throw damaged(file, 'the index of a group is too long');
    for (let i = 0; i < count; i++) {
      cursor.skip(4);
      ids.push(cursor.take(idLength));
    }
    if (isLeaf) return;
    for (let i = 0; i <= count; i++) await node(cursor.u64(), cursor.uint(countBytes), true);
  };
  if (inRoot > 0) await node(root, inRoot, depth === 0);
  return ids;
}
