/**
 * `annotations.jsonl`: points, boxes, polygons and masks of labelled frames, one line for each frame; the newest line of a
 * frame counts. It is next to `labels.jsonl`, so that every folder of the dataset is a label. Lines are only appended;
 * those of removed frames stay, because an undo may restore the frame.
 *
 * A line of schema 2 contains points, or belongs to a change of `labels.jsonl`: undoing that change writes the previous
 * marks of the frame as a new line. All others are lines of schema 1, for older agents, which ignore and keep lines of
 * schema 2: they train without these marks, and nothing else changes.
 */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { type Shape, shapesSchema } from './shapes.ts';

export const annotationsName = 'annotations.jsonl';

const schema = z.strictObject({
  schema: z.literal([1, 2]),
  id: z.string().regex(/^[0-9a-f]{64}$/),
  change: z.number().int().min(1).optional().describe('the line of labels.jsonl that it belongs to'),
  at: z.iso.datetime().describe('when they were added'),
  source: z.string().max(1_000).describe('layout and file from which they were imported'),
  shapes: shapesSchema,
});
/** The marks of one frame. */
export type Annotation = z.output<typeof schema>;

/** Undefined if the line is damaged. */
export function parseAnnotation(line: string): Annotation | undefined {
  try {
    return schema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** In a line without shapes, the empty list is within the bytes that the scan reads. */
export function lineOf({ id, change, at, source, shapes }: Omit<Annotation, 'schema'>): string {
  const isOld = change === undefined && shapes.length > 0 && shapes.every(({ kind }) => kind !== 'point');
  const none = shapes.length === 0 && { shapes };
  const line: Annotation = {
    schema: isOld ? 1 : 2,
    id,
    ...(change && { change }),
    ...none,
    at,
    source,
    shapes,
  };
  return `${JSON.stringify(line)}\n`;
}

export interface AnnotationIndex {
  /** Ids of the frames with annotations. */
  readonly ids: ReadonlySet<string>;
  /** The newest annotation of a frame; undefined if it has none, or its line is damaged. */
  read(id: string): Promise<Annotation | undefined>;
}

interface Line {
  readonly start: number;
  readonly length: number;
  readonly change: number | undefined;
  readonly isEmpty: boolean;
}

interface Scanned {
  /** The lines of each frame, oldest first. */
  readonly lines: Map<string, Line[]>;
  /** End of the last complete line, bytes. */
  readonly end: number;
}

/** Finds the newest line of each frame; their content stays on the disk. */
export async function indexAnnotations(storageDirectory: string): Promise<AnnotationIndex> {
  return createAnnotationReader(storageDirectory)();
}

/** Like `indexAnnotations`, for repeated calls: only lines added since the last call are scanned. */
export function createAnnotationReader(storageDirectory: string): () => Promise<AnnotationIndex> {
  const file = join(storageDirectory, 'dataset', annotationsName);
  let last: Promise<Scanned> = Promise.resolve({ lines: new Map(), end: 0 });
  return async () => {
    last = last.catch(() => undefined).then((before) => scan(file, before));
    const { lines } = await last;
    const marked = [...lines].filter(([, all]) => !all.at(-1)!.isEmpty).map(([id]) => id);
    return { ids: new Set(marked), read: (id) => readAt(file, lines.get(id)?.at(-1)) };
  };
}

type NewAnnotation = Omit<Annotation, 'schema' | 'shapes'> & { readonly shapes: readonly Shape[] };

export interface AnnotationBook {
  /** The newest annotation of a frame. */
  read(id: string): Promise<Annotation | undefined>;
  /**
   * Resolves once it is on the disk. @returns false if the frame has these shapes already: nothing is written
   * @throws QcError dataset-write-failed
   */
  put(annotation: NewAnnotation): Promise<boolean>;
  /** The marks of the frame before a change; undefined if the change has no line. */
  before(id: string, change: number): Promise<readonly Shape[] | undefined>;
}

/** Appends to the file of a locked dataset. The file is opened at the first call. */
export function createAnnotationBook(folder: string): AnnotationBook {
  const file = join(folder, annotationsName);
  let scanned: Promise<Scanned> | undefined;
  const known = () => {
    scanned ??= scan(file).catch((error) => {
      scanned = undefined;
      throw error;
    });
    return scanned;
  };
  return {
    read: async (id) => readAt(file, (await known()).lines.get(id)?.at(-1)),
    async put(annotation) {
      const { id, change, shapes } = annotation;
      const { lines, end } = await known();
      const before = lines.get(id) ?? [];
      if (isDeepStrictEqual((await readAt(file, before.at(-1)))?.shapes ?? [], shapes)) return false;
      const line = Buffer.from(lineOf({ ...annotation, shapes: [...shapes] }));
      // Data that was not acknowledged before is overwritten.
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
      const added = { start: end, length: line.length, change, isEmpty: shapes.length === 0 };
      lines.set(id, [...before, added]);
      scanned = Promise.resolve({ lines, end: end + line.length });
      return true;
    },
    async before(id, change) {
      const lines = (await known()).lines.get(id) ?? [];
      const at = lines.findIndex((line) => line.change === change);
      if (at < 0) return undefined;
      return (await readAt(file, lines[at - 1]))?.shapes ?? [];
    },
  };
}

const headOfLine = /^\{"schema":[12],"id":"([0-9a-f]{64})"(?:,"change":(\d{1,15}))?(,"shapes":\[\])?/;
/** Number of bytes of a line that the scan reads. */
const headBytes = 140;

/** @param before result of an earlier scan; since then the file has only grown, or was replaced by a smaller one */
async function scan(file: string, before?: Scanned): Promise<Scanned> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (before && size < before.end) return scan(file);
  const lines = before?.lines ?? new Map<string, Line[]>();
  let start = before?.end ?? 0;
  let at = start;
  let head = '';
  try {
    for await (const chunk of createReadStream(file, { start }) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let newline = chunk.indexOf(0x0a); newline !== -1; newline = chunk.indexOf(0x0a, from)) {
        head += chunk.toString('latin1', from, Math.min(newline, from + headBytes));
        const [, id, change, none] = headOfLine.exec(head) ?? [];
        const end = at + newline + 1;
        if (id !== undefined) {
          const line = {
            start,
            length: end - start,
            change: change === undefined ? undefined : Number(change),
          };
          lines.set(id, [...(lines.get(id) ?? []), { ...line, isEmpty: none !== undefined }]);
        }
        [start, from, head] = [end, newline + 1, ''];
      }
      if (head.length < headBytes) head += chunk.toString('latin1', from, from + headBytes);
      at += chunk.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { lines, end: start };
}

async function readAt(
  file: string,
  place: Pick<Line, 'start' | 'length'> | undefined,
): Promise<Annotation | undefined> {
  if (!place) return undefined;
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(place.length), 0, place.length, place.start);
    return parseAnnotation(buffer.toString('utf8'));
  } finally {
    await handle.close();
  }
}
