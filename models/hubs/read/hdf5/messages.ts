/** Object headers (IV.A): the messages that describe a group or a data set. */
import { type Bytes, Cursor, damaged, unsupported } from '../bytes.ts';

/** Where things lie. */
export interface Place {
  readonly bytes: Bytes;
}

export interface Message {
  readonly type: number;
  readonly body: Uint8Array;
}

/** Messages that are looked at (IV.A.2). */
export const messageType = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  external: 0x07,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
} as const;

const maxBlocks = 1_000;
const maxMessages = 100_000;
/** A message has at most 64 kB; its block may hold many. */
const maxBlock = 16 * 2 ** 20;
const isShared = 0x02;

/** @throws QcError weights-… */
export async function readMessages({ bytes }: Place, address: number): Promise<Message[]> {
  const { name: file } = bytes;
  const start = new Cursor(file, await bytes.read(address, 16));
  const isNew = start.text(4) === 'OHDR';
  const { flags, from, length } = isNew
    ? await newHeader(bytes, address)
    : { flags: 0, from: address + 16, length: oldLength(file, start.bytes) };
  const found: Message[] = [];
  const blocks = [{ from, length }];
  for (let i = 0; i < blocks.length; i++) {
    if (blocks.length > maxBlocks) throw damaged(file, 'an object header has too many parts');
    const block = blocks[i]!;
    if (block.length > maxBlock) throw damaged(file, `part of an object header has ${block.length} bytes`);
    const cursor = new Cursor(file, await bytes.read(block.from, block.length));
    const head = isNew ? ((flags & 0x04) === 0 ? 4 : 6) : 8;
    while (cursor.left >= head) {
      const message = isNew ? newMessage(cursor, flags) : oldMessage(cursor);
      if (found.length >= maxMessages) throw damaged(file, 'an object header has too many messages');
      const { type, body } = message;
      if (type === messageType.continuation) {
        const where = new Cursor(file, body);
        const [at, size] = [where.u64(), where.u64()];
        // A new one has a signature before its messages and a checksum after them.
        blocks.push(isNew ? { from: at + 4, length: size - 8 } : { from: at, length: size });
      } else if (message.isShared && (type === messageType.datatype || type === messageType.dataspace)) {
        throw unsupported(file, 'its data sets share a named type');
      } else {
        found.push({ type, body });
      }
    }
  }
  return found;
}

/** Version 1 (IV.A.1.a). */
function oldLength(file: string, start: Uint8Array): number {
  const cursor = new Cursor(file, start);
  if (cursor.u8() !== 1) throw damaged(file, 'an object header is invalid');
  cursor.skip(7);
  return cursor.u32();
}

/** Version 2 (IV.A.1.b). */
async function newHeader(bytes: Bytes, address: number) {
  const cursor = new Cursor(bytes.name, await bytes.read(address, Math.min(40, bytes.size - address)), 4);
  if (cursor.u8() !== 2) throw unsupported(bytes.name, 'an object header has an unknown version');
  const flags = cursor.u8();
  if ((flags & 0x20) !== 0) cursor.skip(16);
  if ((flags & 0x10) !== 0) cursor.skip(4);
  const length = cursor.uint(1 << (flags & 3));
  return { flags, from: address + cursor.at, length };
}

interface Found extends Message {
  readonly isShared: boolean;
}

function oldMessage(cursor: Cursor): Found {
  const type = cursor.u16();
  const size = cursor.u16();
  const flags = cursor.u8();
  cursor.skip(3);
  return { type, isShared: (flags & isShared) !== 0, body: cursor.take(size) };
}

function newMessage(cursor: Cursor, headerFlags: number): Found {
  const type = cursor.u8();
  const size = cursor.u16();
  const flags = cursor.u8();
  if ((headerFlags & 0x04) !== 0) cursor.skip(2);
  return { type, isShared: (flags & isShared) !== 0, body: cursor.take(size) };
}
