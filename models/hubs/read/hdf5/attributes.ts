/** Text attributes of an object, in which Keras stores the topology of a model. */
import { Cursor, damaged, textOf } from '../bytes.ts';
import { type Message, messageType, type Place } from './messages.ts';
import { readTextType } from './types.ts';

const maxText = 64 * 2 ** 20;

/** Attribute messages (IV.A.2.m). @returns undefined if no text attribute has this name */
export async function readAttribute(
  place: Place,
  messages: readonly Message[],
  name: string,
): Promise<string | undefined> {
  const { name: file } = place.bytes;
  for (const { type, body } of messages) {
    if (type !== messageType.attribute) continue;
    const cursor = new Cursor(file, body);
    const version = cursor.u8();
    cursor.skip(1);
    const sizes = [cursor.u16(), cursor.u16(), cursor.u16()];
    if (version === 3) cursor.skip(1);
    const [own, datatype] = sizes.map((size) => {
      const part = cursor.take(size);
      // Only version 1 fills up to eight bytes.
      if (version === 1) cursor.skip(Math.min(cursor.left, (8 - (size % 8)) % 8));
      return part;
    });
    if (textOf(own!).replace(/\0.*$/s, '') !== name) continue;
    const text = readTextType(file, datatype!);
    if (!text) return undefined;
    if (text.length !== undefined) return textOf(cursor.take(text.length)).replace(/\0.*$/s, '');
    const [length, collection, index] = [cursor.u32(), cursor.u64(), cursor.u32()];
    return textOf((await globalObject(place, collection, index)).subarray(0, length));
  }
  return undefined;
}

/** Global heap (III.E). */
async function globalObject({ bytes }: Place, address: number, wanted: number): Promise<Uint8Array> {
  const { name: file } = bytes;
  const header = new Cursor(file, await bytes.read(address, 16));
  if (header.text(4) !== 'GCOL') throw damaged(file, 'a text attribute is damaged');
  header.skip(4);
  const size = header.u64();
  if (size > maxText) throw damaged(file, `a text attribute has ${size} bytes`);
  const cursor = new Cursor(file, await bytes.read(address, size), 16);
  while (cursor.left >= 16) {
    const index = cursor.u16();
    cursor.skip(6);
    const length = cursor.u64();
    if (index === wanted) return cursor.take(length);
    if (index === 0) break;
    cursor.skip(length);
    cursor.skip(Math.min(cursor.left, (8 - (length % 8)) % 8));
  }
  throw damaged(file, 'a text attribute is not where it should be');
}
