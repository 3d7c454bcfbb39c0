/**
 * State of a training on disk, so that it continues after the process was killed: written after each epoch, replaced as a whole.
 *
 * Layout: uint32 length of the header, the header as JSON, float32 of all values and moments in its order.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import type { TrainState } from './trainer.ts';

const count = z.number().int().min(0);
const headerSchema = z.object({
  schema: z.literal(1),
  steps: count,
  epochs: count,
  arrays: z.array(z.object({ kind: z.enum(['values', 'moments']), name: z.string(), length: count })),
});

export async function writeCheckpoint(file: string, state: TrainState): Promise<void> {
  const { steps, epochs } = state;
  const all = (['values', 'moments'] as const).flatMap((kind) =>
    Array.from(state[kind], ([name, data]) => ({ kind, name, data })),
  );
  const arrays = all.map(({ kind, name, data }) => ({ kind, name, length: data.length }));
  const header = Buffer.from(JSON.stringify({ schema: 1, steps, epochs, arrays }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const bytes = all.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  await writeDurably(file, Buffer.concat([length, header, ...bytes]));
}

/** The state with what the file contains; the given one if there is no file, or it belongs to another training. */
export async function readCheckpoint(file: string, state: TrainState): Promise<TrainState> {
  const bytes = await readFile(file).catch(() => undefined);
  if (!bytes || bytes.length < 4) return state;
  let at = 4 + bytes.readUInt32LE(0);
  const header = check(headerSchema, jsonOf(bytes.toString('utf8', 4, at)));
  if (!header.success) return state;
  const found = { values: new Map<string, Float32Array>(), moments: new Map<string, Float32Array>() };
  for (const { kind, name, length } of header.data.arrays) {
    if (state[kind].get(name)?.length !== length || bytes.length < at + 4 * length) return state;
    found[kind].set(
      name,
      new Float32Array(Uint8Array.prototype.slice.call(bytes, at, at + 4 * length).buffer),
    );
    at += 4 * length;
  }
  const isWhole = (['values', 'moments'] as const).every((kind) => found[kind].size === state[kind].size);
  return isWhole ? { ...state, ...found, steps: header.data.steps, epochs: header.data.epochs } : state;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
