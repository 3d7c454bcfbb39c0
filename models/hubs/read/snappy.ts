/** Snappy (https://github.com/google/snappy/blob/main/format_description.txt): literals and copies of earlier bytes. */
import { Cursor, damaged } from './bytes.ts';

/** @param most maximum size, bytes. @throws QcError weights-damaged */
export function unsnap(file: string, packed: Uint8Array, most: number): Uint8Array {
  const cursor = new Cursor(file, packed);
  const length = cursor.varint();
  // A copy of 64 bytes needs 3 bytes, which is the maximum ratio.
  if (length > most || length > packed.length * 64)
    throw damaged(file, `a compressed block would have ${length} bytes`);
  const out = new Uint8Array(length);
  let at = 0;
  const literal = (size: number) => {
    const bytes = cursor.take(size);
    if (at + size > length) throw damaged(file, 'a compressed block is damaged');
    out.set(bytes, at);
    at += size;
  };
  const copy = (size: number, distance: number) => {
    if (distance === 0 || distance > at || at + size > length)
      throw damaged(file, 'a compressed block is damaged');
    // A copy may overlap its own output.
    for (let i = 0; i < size; i++, at++) out[at] = out[at - distance]!;
  };
  while (cursor.left > 0) {
    const tag = cursor.u8();
    switch (tag & 3) {
      case 0: {
        const size = tag >> 2;
        literal((size < 60 ? size : cursor.uint(size - 59)) + 1);
        break;
      }
      case 1:
        copy(4 + ((tag >> 2) & 7), ((tag >> 5) << 8) | cursor.u8());
        break;
      case 2:
        copy(1 + (tag >> 2), cursor.u16());
        break;
      default:
        copy(1 + (tag >> 2), cursor.u32());
    }
  }
  if (at !== length) throw damaged(file, 'a compressed block is cut off');
  return out;
}
