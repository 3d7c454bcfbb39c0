/**
 * Layout of a journal: pages of fixed size; each record has its own pages, so that a torn write affects only one record.
 */
import { crc32 } from 'node:zlib';
import { z } from 'zod';

export const pageBytes = 4_096;
const version = 1;
const title = 'qc-edge-agent outbox journal ';
/** CRC-32 of the rest, bytes of JSON that follow, the record's number as a 64-bit float. */
const headBytes = 16;

/** The messages of one part. */
const partSchema = z.object({
  /** By the outbox's clock, ms. */
  at: z.number(),
  part: z.object({ camera: z.string(), sequence: z.number() }).optional(),
  rows: z.array(z.object({ queue: z.string(), id: z.number(), json: z.string() })).readonly(),
});
export type JournalPart = z.output<typeof partSchema>;
const partsSchema = z.array(partSchema);

export interface JournalRecord {
  /** Increases by one with each record, also across restarts. */
  readonly number: number;
  readonly parts: readonly JournalPart[];
}

export interface Scanned {
  /** In order. */
  readonly records: readonly JournalRecord[];
  /** Offset of the next record. */
  readonly end: number;
  /** Number of unreadable records in between. */
  readonly damaged: number;
}

/** The first page: type and version of the file. */
export function firstPage(): Buffer {
  const page = Buffer.alloc(pageBytes);
  page.write(`${title}${version}\n`);
  return page;
}

/** Why it cannot be read; undefined if it can. */
export function unreadable(bytes: Buffer): string | undefined {
  const line = bytes.toString('latin1', 0, 64).split('\n')[0]!;
  if (!line.startsWith(title)) return 'it does not start with the title of a journal';
  const written = line.slice(title.length);
  return written === String(version) ? undefined : `it is of version ${written}, this agent reads ${version}`;
}

/** Whole pages. */
export function encodeRecord({ number, parts }: JournalRecord): Buffer {
  const json = Buffer.from(JSON.stringify(parts));
  const bytes = Buffer.alloc(Math.ceil((headBytes + json.length) / pageBytes) * pageBytes);
  bytes.writeUInt32LE(json.length, 4);
  bytes.writeDoubleLE(number, 8);
  json.copy(bytes, headBytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(4, headBytes + json.length)), 0);
  return bytes;
}

/**
 * The records above number `taken`. Each was on the disk before the next was started: so an unreadable record without
 * successors was never confirmed as stored (a torn write), and one with successors is damaged. Records behind the newest
 * are from an earlier round, with lower numbers.
 */
export function scan(bytes: Buffer, taken: number): Scanned {
  const records: JournalRecord[] = [];
  let newest = taken;
  let end = pageBytes;
  let at = pageBytes;
  while (at + headBytes <= bytes.length) {
    const found = recordAt(bytes, at);
    if (found && found.record.number > newest) {
      records.push(found.record);
      newest = found.record.number;
      end = found.end;
    }
    at = found?.end ?? at + pageBytes;
  }
  return { records, end, damaged: newest - taken - records.length };
}

function recordAt(bytes: Buffer, at: number): { record: JournalRecord; end: number } | undefined {
  const length = bytes.readUInt32LE(at + 4);
  const last = at + headBytes + length;
  if (length === 0 || last > bytes.length) return undefined;
  if (bytes.readUInt32LE(at) !== crc32(bytes.subarray(at + 4, last))) return undefined;
  try {
    const parts = partsSchema.parse(JSON.parse(bytes.toString('utf8', at + headBytes, last)));
    const end = Math.ceil(last / pageBytes) * pageBytes;
    return { record: { number: bytes.readDoubleLE(at + 8), parts }, end };
  } catch {
    return undefined;
  }
}
