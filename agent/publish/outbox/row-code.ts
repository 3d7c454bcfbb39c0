/** Encoding of a stored message, with a checksum: lmdb does not detect changed bits on the disk. */
import { crc32 } from 'node:zlib';

export interface Row {
  /** Increases within its queue. */
  readonly id: number;
  /** When it was put, by the outbox's clock, ms. */
  readonly at: number;
  readonly json: string;
}

/** A row, or the id of a damaged one. */
export type Read = Row | { readonly id: number; readonly damaged: true };

/** CRC-32 of queue, id and the rest, then the time as a 64-bit float, then JSON in UTF-8. */
export function encodeRow(queue: string, { id, at, json }: Row): Buffer {
  const bytes = Buffer.allocUnsafe(12 + Buffer.byteLength(json));
  bytes.writeDoubleLE(at, 4);
  bytes.write(json, 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(4), crcOfKey(queue, id)), 0);
  return bytes;
}

/** A row whose key or content has changed on the disk is damaged. Stores of version 1 have a CRC of the content only. */
export function decodeRow(queue: string, id: number, bytes: Buffer): Read {
  if (bytes.length < 12) return { id, damaged: true };
  const written = bytes.readUInt32LE(0);
  const content = bytes.subarray(4);
  if (written !== crc32(content, crcOfKey(queue, id)) && written !== crc32(content)) {
    return { id, damaged: true };
  }
  return { id, at: timeOf(bytes), json: bytes.toString('utf8', 12) };
}

/** When it was put, by the outbox's clock, ms; 0 if it is too short. */
export const timeOf = (bytes: Buffer) => (bytes.length < 12 ? 0 : bytes.readDoubleLE(4));

const crcOfKey = (queue: string, id: number) => crc32(`${queue} ${id}`);
