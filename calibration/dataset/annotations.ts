/**
 * `annotations.jsonl`: points, boxes, polygons and masks of labelled frames, one line for each frame; the newest line of a
 * frame counts. It lies beside `labels.jsonl`, so that the dataset holds no folder that is not a label. Lines are only ever
 * added; those of removed frames stay, because an undo may bring the frame back.
 *
 * A line has schema 2 only if it holds a point, so that an older agent reads all others. It ignores the lines that it does not know and
 * keeps them: it learns without these marks, and nothing else changes.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { type Shape, shapesSchema } from './shapes.ts';

export const annotationsName = 'annotations.jsonl';

const schema = z.strictObject({
  schema: z.literal([1, 2]),
  id: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime().describe('when they were taken over'),
  source: z.string().max(1_000).describe('the layout and file they come from'),
  shapes: shapesSchema,
});
/** What is marked on one frame. */
export type Annotation = z.output<typeof schema>;

/** Undefined where the line is damaged. */
export function parseAnnotation(line: string): Annotation | undefined {
  try {
    return schema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

export function lineOf({ id, at, source, shapes }: Omit<Annotation, 'schema'>): string {
  const schema = shapes.some(({ kind }) => kind === 'point') ? 2 : 1;
  return `${JSON.stringify({ schema, id, at, source, shapes } satisfies Annotation)}\n`;
}

export interface AnnotationIndex {
  /** Ids of the frames that have any. */
  readonly ids: ReadonlySet<string>;
  /** The newest of a frame; undefined where it has none, or its line is damaged. */
  read(id: string): Promise<Annotation | undefined>;
}

interface Place {
  readonly start: number;
  readonly length: number;
}

/** Finds the newest line of each frame; what they hold stays on the disk. */
export async function indexAnnotations(storageDirectory: string): Promise<AnnotationIndex> {
  const file = join(storageDirectory, 'dataset', annotationsName);
  const { places } = await scan(file);
  return { ids: new Set(places.keys()), read: (id) => readAt(file, places.get(id)) };
}

export interface AnnotationBook {
  /** Resolves once it is on the disk. @throws QcError dataset-write-failed */
  put(id: string, shapes: readonly Shape[], source: string, at: string): Promise<void>;
}

/** Adds to the file of a dataset whose lock is held. Nothing is opened before the first `put`. */
export function createAnnotationBook(folder: string): AnnotationBook {
  const file = join(folder, annotationsName);
  let scanned: ReturnType<typeof scan> | undefined;
  return {
    async put(id, shapes, source, at) {
      scanned ??= scan(file);
      const { places, end } = await scanned.catch((error) => {
        scanned = undefined;
        throw error;
      });
      const before = await readAt(file, places.get(id));
      if (isDeepStrictEqual(before?.shapes ?? [], shapes)) return;
      const line = Buffer.from(lineOf({ id, at, source, shapes: [...shapes] }));
      // Whatever was not acknowledged before is written over.
      scanned = undefined;
      try {
        const handle = await open(file, 'a');
        try {
          await handle.truncate(end);
          await handle.appendFile(line);
          await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (cause) {
        const what = `cannot write ${file}: ${(cause as Error).message}`;
        throw new QcError('dataset-write-failed', what, { cause });
      }
      places.set(id, { start: end, length: line.length });
      scanned = Promise.resolve({ places, end: end + line.length });
    },
  };
}

const idOfLine = /^\{"schema":[12],"id":"([0-9a-f]{64})"/;
/** Of a line, what names its frame, bytes. */
const headBytes = 100;

/** @returns also where the last whole line ends, bytes */
async function scan(file: string): Promise<{ places: Map<string, Place>; end: number }> {
  const places = new Map<string, Place>();
  let start = 0;
  let at = 0;
  let head = '';
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let newline = chunk.indexOf(0x0a); newline !== -1; newline = chunk.indexOf(0x0a, from)) {
        head += chunk.toString('latin1', from, Math.min(newline, from + headBytes));
        const id = idOfLine.exec(head)?.[1];
        const end = at + newline + 1;
        if (id !== undefined) places.set(id, { start, length: end - start });
        [start, from, head] = [end, newline + 1, ''];
      }
      if (head.length < headBytes) head += chunk.toString('latin1', from, from + headBytes);
      at += chunk.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { places, end: start };
}

async function readAt(file: string, place: Place | undefined): Promise<Annotation | undefined> {
  if (!place) return undefined;
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(place.length), 0, place.length, place.start);
    return parseAnnotation(buffer.toString('utf8'));
  } finally {
    await handle.close();
  }
}
