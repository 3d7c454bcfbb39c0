/**
 * Reads files from unknown sources. Every length and offset in them is compared with the size of the file before anything
 * is allocated, and a reader throws nothing but a QcError.
 */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { QcError } from '../../../config/errors.ts';

/** Random access to the bytes of a file. */
export interface Bytes extends AsyncDisposable {
  /** Name in messages. */
  readonly name: string;
  readonly size: number;
  /** @throws QcError weights-damaged if the range exceeds the file */
  read(at: number, length: number): Promise<Uint8Array>;
}

/** Maximum size of one allocation, bytes: the largest convolution of a known base has 10 MB. */
const maxAtOnce = 2 ** 30;

export const damaged = (file: string, what: string, cause?: unknown) =>
  new QcError('weights-damaged', `${file}: ${what}`, cause === undefined ? {} : { cause });

export const unsupported = (file: string, what: string, remedy?: string) =>
  new QcError('weights-unsupported', `${file}: ${what}`, remedy === undefined ? {} : { remedy });

/** @throws QcError weights-missing */
async function openBytes(path: string): Promise<Bytes> {
  const name = basename(path);
  const missing = (why: string, cause?: unknown) =>
    new QcError('weights-missing', `cannot read ${path}: ${why}`, { cause });
  const handle = await open(path, 'r').catch((cause) => {
    throw missing((cause as Error).message, cause);
  });
  const facts = await handle.stat();
  if (!facts.isFile()) {
    await handle.close();
    throw missing('it is not a regular file');
  }
  const { size } = facts;
  return {
    name,
    size,
    async read(at, length) {
      requireWithin(name, size, at, length);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
        if (bytesRead === 0) throw damaged(name, 'it became shorter while it was read');
        done += bytesRead;
      }
      return bytes;
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/**
 * Opens files for what `work` returns: they stay open until its disposal, and are closed if `work` fails. @throws errors of
 * `work`
 */
export async function withFiles<T>(
  work: (open: (path: string) => Promise<Bytes>) => Promise<T>,
): Promise<T & AsyncDisposable> {
  const opened: Bytes[] = [];
  const close = async () => {
    for (const bytes of opened) await bytes[Symbol.asyncDispose]();
  };
  try {
    const made = await work(async (path) => {
      const bytes = await openBytes(path);
      opened.push(bytes);
      return bytes;
    });
    return { ...made, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Bytes in memory, read like a file. */
export function bytesIn(name: string, data: Uint8Array): Bytes {
  return {
    name,
    size: data.length,
    async read(at, length) {
      requireWithin(name, data.length, at, length);
      return data.subarray(at, at + length);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function requireWithin(name: string, size: number, at: number, length: number): void {
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(length) || at < 0 || length < 0)
    throw damaged(name, 'it contains an invalid offset');
  if (at + length > size)
    throw damaged(
      name,
      `it ends at byte ${size}, but bytes ${at} to ${at + length} are needed: it is cut off`,
    );
  if (length > maxAtOnce) throw damaged(name, `it asks for ${length} bytes at once`);
}

/** Little-endian values one after the other; never beyond the end. */
export class Cursor {
  readonly name: string;
  readonly bytes: Uint8Array;
  at: number;
  readonly #view: DataView;

  constructor(name: string, bytes: Uint8Array, at = 0) {
    this.name = name;
    this.bytes = bytes;
    this.at = at;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Skips this number of bytes and returns their offset. @throws QcError weights-damaged */
  skip(length: number): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.left)
      throw damaged(this.name, `it is cut off, or a length in it is wrong (${length} bytes at ${this.at})`);
    const from = this.at;
    this.at += length;
    return from;
  }

  take(length: number): Uint8Array {
    const from = this.skip(length);
    return this.bytes.subarray(from, from + length);
  }

  u8(): number {
    return this.#view.getUint8(this.skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  i32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }

  u32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  f64be(): number {
    return this.#view.getFloat64(this.skip(8), false);
  }

  /** Values above the possible file size become Infinity, which every check refuses. */
  u64(): number {
    const value = this.#view.getBigUint64(this.skip(8), true);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
  }

  /** An unsigned integer of 1 to 8 bytes. */
  uint(width: number): number {
    let value = 0;
    for (const [i, byte] of this.take(width).entries()) value += byte * 2 ** (8 * i);
    return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
  }

  /** Seven bits a byte, the lowest first. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 56; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
    }
    throw damaged(this.name, 'a number in it has no end');
  }

  text(length: number): string {
    return textOf(this.take(length));
  }
}

/** UTF-8; invalid bytes become replacement characters, which no name contains. */
export const textOf = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
