/**
 * The state record of the store: one entry with a checksum, written with every transaction. It has the number of messages
 * in each queue, so that lost pages are detected, and the newest sequence numbers.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Database } from 'lmdb';
import { z } from 'zod';

/** Version of the format; a store of a later version is not changed. */
const storeVersion = 2;

const queueSchema = z.object({
  newestId: z.number(),
  dropped: z.number(),
  /** Number of entries after this transaction; missing in a store of version 1. */
  messages: z.number().optional(),
});
const stateSchema = z.object({
  /** lmdb's number of the transaction that wrote it. */
  transaction: z.number(),
  time: z.number().optional(),
  /** The newest journal record that was copied to the store; 0 before the first. */
  journal: z.number(),
  /** By camera. */
  sequences: z.record(z.string(), z.number()),
  queues: z.record(z.string(), queueSchema),
});
export type StoreState = z.output<typeof stateSchema>;

export const emptyState = (): StoreState => ({ transaction: 0, journal: 0, sequences: {}, queues: {} });

type Marks = Pick<Database<Buffer, string>, 'get' | 'putSync' | 'getRange'>;

/** Prefix of the record, by which it can be found in a file that lmdb cannot read. */
const head = 'qc-outbox-state ';

/** @throws Error if a later version wrote the store */
export function readState(marks: Marks): { state: StoreState; isNew?: boolean; damage?: string } {
  const versionText = marks.get('version')?.toString('latin1');
  const bytes = marks.get('state');
  if (versionText === undefined && bytes === undefined) return { state: emptyState(), isNew: true };
  const version = Number(versionText);
  if (Number.isInteger(version) && version > storeVersion) {
    throw new Error(`the outbox is of version ${version}, this agent reads versions up to ${storeVersion}`);
  }
  if (version === 1) return { state: stateOfVersion1(marks) };
  const state = bytes && parse(bytes.toString('utf8'));
  if (state) return { state };
  return { state: emptyState(), damage: 'its state record cannot be read' };
}

export function writeState(marks: Marks, state: StoreState): void {
  const json = JSON.stringify(state);
  marks.putSync('state', Buffer.from(`${head}${checksum(json)} ${json}\n`));
  marks.putSync('version', Buffer.from(String(storeVersion)));
}

/** Longer than any record. */
const overlapBytes = 256 * 1_024;
const chunkBytes = 8 * 1_024 * 1_024;

/**
 * The newest record in the store's file, whether lmdb can read it or not; undefined if there is none.
 * @param upTo newest transaction to accept; later ones did not complete
 */
export function findState(path: string, upTo = Number.POSITIVE_INFINITY): StoreState | undefined {
  const file = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(chunkBytes + overlapBytes);
    let newest: StoreState | undefined;
    for (let from = 0; ; from += chunkBytes) {
      const length = readSync(file, chunk, 0, chunk.length, from);
      for (const state of statesIn(chunk.subarray(0, length))) {
        if (state.transaction > (newest?.transaction ?? -1) && state.transaction <= upTo) newest = state;
      }
      if (length < chunk.length) return newest;
    }
  } finally {
    closeSync(file);
  }
}

function* statesIn(bytes: Buffer): Generator<StoreState> {
  for (let at = bytes.indexOf(head); at >= 0; at = bytes.indexOf(head, at + 1)) {
    const end = bytes.indexOf(0x0a, at);
    const state = end < 0 ? undefined : parse(bytes.toString('utf8', at, end + 1));
    if (state) yield state;
  }
}

function parse(text: string): StoreState | undefined {
  if (!text.startsWith(head)) return undefined;
  const json = text.slice(head.length + 9).trimEnd();
  if (text.slice(head.length, head.length + 8) !== checksum(json)) return undefined;
  try {
    return stateSchema.parse(JSON.parse(json));
  } catch {
    return undefined;
  }
}

const checksum = (json: string) => crc32(json).toString(16).padStart(8, '0');

/** One JSON entry for each value, without a checksum. */
function stateOfVersion1(marks: Marks): StoreState {
  const state = emptyState();
  for (const { key, value } of marks.getRange({})) {
    const said: unknown = JSON.parse(value.toString('utf8'));
    if (key === 'time') state.time = z.number().parse(said);
    if (key === 'journal') state.journal = z.number().parse(said);
    if (key.startsWith('sequence ')) state.sequences[key.slice('sequence '.length)] = z.number().parse(said);
    if (key.startsWith('queue ')) state.queues[key.slice('queue '.length)] = queueSchema.parse(said);
  }
  return state;
}
