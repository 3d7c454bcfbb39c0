/**
 * Stores the queue on disk, so that its parts survive a restart: `<id>.png` and `<id>.json` for each part. The image is written
 * first, so that every record has one. The disk follows the queue with a delay of a few seconds.
 */
import { mkdir, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { Candidate } from './queue.ts';

export interface SavedQueue extends AsyncDisposable {
  /** Loads the parts of an earlier run. Unreadable ones are deleted with a notice. */
  load(): Promise<Candidate[]>;
  /** Call when the queue has changed. */
  changed(): void;
}

export interface SavedQueueOptions {
  /** The most informative first. */
  readonly queue: () => readonly Candidate[];
  /** Space that must stay free on the disk, bytes. */
  readonly minFreeBytes: number;
  readonly onNotice: (text: string) => void;
  /** Interval between two passes, ms: encoding images takes time that the line may need. */
  readonly everyMs?: number;
}

/** Maximum total size of the images, bytes. Further parts are not saved. */
const maxBytes = 100_000_000;
/** Maximum number of images written in one pass. */
const maxPerPass = 4;
const defaultEveryMs = 2_000;
const fileName = /^([0-9A-HJKMNP-TV-Z]{26})\.(?:json|png)(?:\.draft)?$/;

const recordSchema = z.strictObject({
  schema: z.literal(1),
  resultId: z.ulid(),
  camera: z.string(),
  partId: z.string(),
  capturedAt: z.iso.datetime(),
  verdict: z.enum(['pass', 'fail', 'uncertain']),
  label: z.string().nullable(),
  probability: z.number().nullable(),
  version: z.string(),
  votes: z.strictObject({ frames: z.number(), agree: z.number() }),
  unfamiliar: z.boolean(),
  disputed: z.boolean(),
  why: z.string(),
  drawn: z.boolean(),
  score: z.number(),
  features: z.base64().describe('float32, little-endian'),
});

/** Nothing is read or written before `load`. */
export function createSavedQueue(
  directory: string,
  { queue, minFreeBytes, onNotice, everyMs = defaultEveryMs }: SavedQueueOptions,
): SavedQueue {
  /** Files on the disk: id → bytes. */
  const saved = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();
  let isLoaded = false;
  let fault = '';

  async function drop(resultId: string): Promise<void> {
    // The record first: an image without one is deleted at the next start.
    await rm(join(directory, `${resultId}.json`), { force: true });
    await rm(join(directory, `${resultId}.png`), { force: true });
    saved.delete(resultId);
  }

  async function save(candidate: Candidate): Promise<void> {
    const { image, features, ...facts } = candidate;
    const { width, height, data } = image;
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 2 })
      .toBuffer();
    const used = [...saved.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (used + png.length > maxBytes) return;
    const bytes = Buffer.from(features.buffer, features.byteOffset, features.byteLength);
    const record = { schema: 1, ...facts, features: bytes.toString('base64') };
    await writeDurably(join(directory, `${facts.resultId}.png`), png);
    await writeDurably(join(directory, `${facts.resultId}.json`), `${JSON.stringify(record)}\n`);
    saved.set(facts.resultId, png.length);
  }

  async function pass(most: number): Promise<void> {
    const wanted = queue();
    const ids = new Set(wanted.map(({ resultId }) => resultId));
    for (const resultId of [...saved.keys()]) if (!ids.has(resultId)) await drop(resultId);
    const missing = wanted.filter(({ resultId }) => !saved.has(resultId));
    if (missing.length === 0) return;
    await mkdir(directory, { recursive: true });
    const { bavail, bsize } = await statfs(directory);
    if (bavail * bsize < minFreeBytes) return;
    for (const candidate of missing.slice(0, most)) await save(candidate);
    if (missing.length > most) follow();
  }

  function work(most: number): Promise<void> {
    working = working
      .then(() => pass(most))
      .then(
        () => {
          fault = '';
        },
        (error: Error) => {
          // Reported once per fault: it repeats with every pass.
          const text = `parts that wait for a label are not saved: ${error.message}`;
          if (text !== fault) onNotice(text);
          fault = text;
        },
      );
    return working;
  }

  function follow(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      void work(maxPerPass);
    }, everyMs).unref();
  }

  return {
    async load() {
      const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [] as string[];
        throw error;
      });
      const loaded: Candidate[] = [];
      for (const resultId of new Set(names.flatMap((name) => fileName.exec(name)?.[1] ?? []))) {
        try {
          const { candidate, bytes } = await read(directory, resultId);
          loaded.push(candidate);
          saved.set(resultId, bytes);
        } catch (error) {
          // Without its record it was never complete.
          if (names.includes(`${resultId}.json`)) {
            onNotice(
              `a part that waited for a label cannot be read and is skipped: ${(error as Error).message}`,
            );
          }
          await drop(resultId);
          for (const kind of ['png', 'json'])
            await rm(join(directory, `${resultId}.${kind}.draft`), { force: true });
        }
      }
      isLoaded = true;
      return loaded;
    },
    changed() {
      if (isLoaded) follow();
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      if (isLoaded) await work(Number.POSITIVE_INFINITY);
      // A pass may have requested another one.
      clearTimeout(timer);
    },
  };
}

async function read(directory: string, resultId: string): Promise<{ candidate: Candidate; bytes: number }> {
  const text = await readFile(join(directory, `${resultId}.json`), 'utf8');
  const parsed = check(recordSchema, JSON.parse(text));
  if (!parsed.success) throw new Error(`${resultId}.json is damaged: ${parsed.error.issues[0]?.message}`);
  const { schema: _, features, ...facts } = parsed.data;
  const png = await readFile(join(directory, `${resultId}.png`));
  const image = await decodePicture(png);
  const raw = Buffer.from(features, 'base64');
  // A copy, because numbers must be aligned in memory.
  const numbers = new Float32Array(new Uint8Array(raw).buffer, 0, Math.floor(raw.length / 4));
  return { candidate: { ...facts, image, features: numbers }, bytes: png.length };
}
