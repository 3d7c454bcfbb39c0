/** Shapes and types of data sets and attributes. */
import { Cursor, damaged, unsupported } from '../bytes.ts';
import { countOf, type StoredType } from '../tensors.ts';

/** Dataspace message (IV.A.2.b). @throws QcError weights-… */
export function readDataspace(file: string, name: string, message: Uint8Array): number[] {
  const cursor = new Cursor(file, message);
  const version = cursor.u8();
  if (version !== 1 && version !== 2) throw unsupported(file, `a data set has a shape of version ${version}`);
  const rank = cursor.u8();
  cursor.skip(1);
  if (version === 1) cursor.skip(5);
  else if (cursor.u8() === 2) return [0];
  if (rank > 32) throw damaged(file, `a data set has ${rank} dimensions`);
  const shape = Array.from({ length: rank }, () => cursor.u64());
  countOf(file, name, shape);
  return shape;
}

export interface TextType {
  /** Bytes of a text stored in place; undefined if it is in the global heap. */
  readonly length: number | undefined;
}

const classes = { integer: 0, float: 1, text: 3, variable: 9 };

/** Datatype message (IV.A.2.d) of little-endian numbers; undefined for any other type. */
export function readType(file: string, message: Uint8Array): StoredType | undefined {
  const cursor = new Cursor(file, message);
  const kind = cursor.u8() & 0x0f;
  const flags = cursor.uint(3);
  const size = cursor.u32();
  if (kind === classes.integer || kind === classes.float) {
    if ((flags & 0x41) !== 0) throw unsupported(file, 'its numbers are big-endian');
  }
  if (kind === classes.integer) {
    const name = `${(flags & 0x08) === 0 ? 'u' : ''}int${size * 8}`;
    return ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'].includes(name)
      ? (name as StoredType)
      : undefined;
  }
  if (kind !== classes.float) return undefined;
  if (size === 8) return 'float64';
  if (size === 4) return 'float32';
  cursor.skip(5);
  const exponentBits = cursor.u8();
  if (size === 2 && exponentBits === 5) return 'float16';
  return size === 2 && exponentBits === 8 ? 'bfloat16' : undefined;
}

/** The same message of text; undefined for any other type. */
export function readTextType(file: string, message: Uint8Array): TextType | undefined {
  const cursor = new Cursor(file, message);
  const kind = cursor.u8() & 0x0f;
  const flags = cursor.uint(3);
  const size = cursor.u32();
  if (kind === classes.text) return { length: size };
  return kind === classes.variable && (flags & 0x0f) === 1 ? { length: undefined } : undefined;
}
