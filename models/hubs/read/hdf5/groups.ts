/** Groups: names and addresses of their objects. Links to other places or files are refused. */
import { Cursor, damaged, textOf, unsupported } from '../bytes.ts';
import { shown } from '../tensors.ts';
import { heapIds, openFractalHeap } from './fractal-heap.ts';
import type { Place } from './messages.ts';

export interface Link {
  readonly name: string;
  /** Of the object header. */
  readonly address: number;
}

const maxNodes = 20_000;
const maxHeap = 64 * 2 ** 20;
const softLink = 2;

/** Symbol table message (IV.A.2.r): a tree of symbol nodes, their names in a heap. */
export async function oldGroup({ bytes }: Place, message: Uint8Array): Promise<Link[]> {
  const { name: file } = bytes;
  const cursor = new Cursor(file, message);
  const [tree, heap] = [cursor.u64(), cursor.u64()];
  const names = await localHeap({ bytes }, heap);
  const links: Link[] = [];
  const seen = new Set<number>();
  const walk = async (address: number): Promise<void> => {
    if (seen.has(address) || seen.size >= maxNodes)
      throw damaged(file, 'the tree of a group leads in a circle');
    seen.add(address);
    const head = new Cursor(file, await bytes.read(address, 8));
    const signature = head.text(4);
    if (signature === 'TREE') {
      head.skip(2);
      const entries = head.u16();
      // Version 1 (III.A.1): siblings, then a key before each child.
      const children = new Cursor(file, await bytes.read(address + 24, 8 + entries * 16));
      for (let i = 0; i < entries; i++) {
        children.skip(8);
        await walk(children.u64());
      }
    } else if (signature === 'SNOD') {
      head.skip(2);
      const count = head.u16();
      const entries = new Cursor(file, await bytes.read(address + 8, count * 40));
      for (let i = 0; i < count; i++) {
        const name = nameAt(file, names, entries.u64());
        const object = entries.u64();
        if (entries.u32() === softLink) throw linked(file, name);
        entries.skip(20);
        links.push({ name, address: object });
      }
    } else {
      throw damaged(file, 'the tree of a group is damaged');
    }
  };
  await walk(tree);
  return links;
}

/** Local heap (III.D). */
async function localHeap({ bytes }: Place, address: number): Promise<Uint8Array> {
  const cursor = new Cursor(bytes.name, await bytes.read(address, 32));
  if (cursor.text(4) !== 'HEAP') throw damaged(bytes.name, 'the names of a group are damaged');
  cursor.skip(4);
  const size = cursor.u64();
  cursor.skip(8);
  if (size > maxHeap) throw damaged(bytes.name, `the names of a group have ${size} bytes`);
  return bytes.read(cursor.u64(), size);
}

function nameAt(file: string, names: Uint8Array, at: number): string {
  const end = at < names.length ? names.indexOf(0, at) : -1;
  if (end < 0) throw damaged(file, 'a name of a group has no end');
  return requireName(file, textOf(names.subarray(at, end)));
}

/** Link messages in the header (IV.A.2.g), or in a heap that the link info message names (IV.A.2.c). */
export async function newGroup(
  { bytes }: Place,
  info: Uint8Array | undefined,
  messages: readonly Uint8Array[],
): Promise<Link[]> {
  const { name: file } = bytes;
  const links = messages.map((message) => linkOf(file, message));
  if (!info) return links;
  const cursor = new Cursor(file, info, 1);
  const flags = cursor.u8();
  if ((flags & 1) !== 0) cursor.skip(8);
  const [heapAddress, index] = [cursor.u64(), cursor.u64()];
  if (heapAddress === Number.POSITIVE_INFINITY) return links;
  const heap = await openFractalHeap({ bytes }, heapAddress);
  for (const id of await heapIds({ bytes }, index, heap.idLength))
    links.push(linkOf(file, await heap.read(id)));
  return links;
}

function linkOf(file: string, message: Uint8Array): Link {
  const cursor = new Cursor(file, message, 1);
  const flags = cursor.u8();
  const type = (flags & 0x08) === 0 ? 0 : cursor.u8();
  if ((flags & 0x04) !== 0) cursor.skip(8);
  if ((flags & 0x10) !== 0) cursor.skip(1);
  const name = requireName(file, cursor.text(cursor.uint(1 << (flags & 3))));
  if (type !== 0) throw linked(file, name);
  return { name, address: cursor.u64() };
}

function requireName(file: string, name: string): string {
  // Keras 2 makes nested groups for "Conv/BatchNorm"; a name never contains a slash.
  if (name === '' || name.length > 500 || name.includes('/'))
    throw damaged(file, `a group has the impossible name ${shown(name)}`);
  return name;
}

const linked = (file: string, name: string) =>
  unsupported(file, `${shown(name)} is a link to another place or file; such links are not followed`);
