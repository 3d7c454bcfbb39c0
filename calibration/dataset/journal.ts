/** `labels.jsonl`: every change of the dataset, one line each; it is append-only and authoritative. */
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { QcError } from '../../config/errors.ts';
import { whyUnstorable } from '../../config/label-name.ts';
import { syncFolder } from '../../models/disk/durable.ts';
import { type Lines, maxLineBytes, readLines, splitLines } from '../../models/disk/lines.ts';

const id = z.string().regex(/^[0-9a-f]{64}$/, 'must be a sha256: 64 hex digits in lower case');
const common = {
  schema: z.literal(1),
  at: z.iso.datetime().describe('time of the change'),
  by: z.string().min(1).max(200).describe('author of the change'),
  client: z.string().min(1).max(64).optional().describe('id of the browser'),
};
const changeSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...common,
    kind: z.literal('label'),
    id,
    label: z.string().min(1),
    partId: z.string().optional(),
    camera: z.string().optional(),
    capturedAt: z.iso.datetime().optional(),
    judged: z
      .strictObject({
        verdict: z.enum(['pass', 'fail', 'uncertain']),
        label: z.string().nullable(),
        version: z.string(),
        drawn: z.boolean().describe('drawn at random, independently of the prediction'),
      })
      .optional()
      .describe('prediction of the line'),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('relabel'),
    ids: z.array(id).min(1),
    label: z.string().min(1),
  }),
  z.strictObject({ ...common, kind: z.literal('remove'), ids: z.array(id).min(1) }),
  z.strictObject({ ...common, kind: z.literal('rename'), from: z.string().min(1), to: z.string().min(1) }),
  z.strictObject({ ...common, kind: z.literal('delete'), label: z.string().min(1) }),
  z
    .strictObject({ ...common, kind: z.literal('undo'), line: z.number().int().min(1).optional() })
    .describe('undoes the change of that line; without a line, the last effective one'),
]);
export type Change = z.output<typeof changeSchema>;

export interface JournalLine {
  /** From 1; damaged lines count. */
  readonly line: number;
  readonly change: Change;
}

export interface Journal extends AsyncDisposable {
  /** Number of the next line. */
  next(): number;
  /** On the disk when it resolves. @throws QcError internal, dataset-write-failed; then nothing was added */
  append(change: Change): Promise<JournalLine>;
}

/** Content of a journal when it is opened. */
export interface JournalContent {
  /** Oldest first. */
  readonly changes: readonly JournalLine[];
  /** Number of complete lines, including damaged ones. */
  readonly lines: number;
  /** Length of the complete lines, bytes. */
  readonly length: number;
  /** Length of an incomplete last line, bytes. */
  readonly torn: number;
}

/**
 * Reads a journal. An incomplete last line was being written when the power failed: it was never acknowledged and is
 * ignored. A damaged line elsewhere is ignored with a notice; so is a line with a label that cannot be stored: its frames
 * keep their previous label.
 */
export async function readJournal(file: string, onNotice: (text: string) => void): Promise<JournalContent> {
  const read = await readLines(file);
  const changes = changesIn(read, (line, why) => onNotice(`${file}, line ${line} ${why}`));
  return { changes, lines: read.lines.length, length: read.length, torn: read.size - read.length };
}

/** Parses complete lines. @param onDamaged called with the number of a line without effect, and the reason */
export function parseJournal(
  bytes: Buffer,
  onDamaged: (line: number, why: string) => void,
): Pick<JournalContent, 'changes' | 'lines'> {
  const read = splitLines(bytes);
  return { changes: changesIn(read, onDamaged), lines: read.lines.length };
}

function changesIn({ lines }: Lines, onDamaged: (line: number, why: string) => void): JournalLine[] {
  return lines.flatMap((text, index) => {
    const line = index + 1;
    const change = text && parse(text.toString('utf8'));
    if (!change) {
      const why = text ? 'is damaged' : `is longer than ${maxLineBytes / 1e6} MB`;
      onDamaged(line, `${why} and left out`);
      return [];
    }
    const label = newLabelOf(change);
    const why = label === undefined ? undefined : whyUnstorable(label);
    if (why !== undefined) onDamaged(line, `has a label that cannot be stored and has no effect: ${why}`);
    return [{ line, change }];
  });
}

function parse(line: string): Change | undefined {
  try {
    return changeSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** The label that frames get from a change. */
export function newLabelOf(change: Change): string | undefined {
  if (change.kind === 'rename') return change.to;
  return change.kind === 'label' || change.kind === 'relabel' ? change.label : undefined;
}

/** Opens a journal for appending after its complete lines; an incomplete end is set aside next to it. */
export async function openJournal(
  file: string,
  { lines, length, torn }: Omit<JournalContent, 'changes'>,
): Promise<Journal> {
  if (torn > 0) {
    const end = length + Math.min(torn, maxLineBytes) - 1;
    await pipeline(createReadStream(file, { start: length, end }), createWriteStream(`${file}.torn`));
  }
  const handle = await open(file, 'a');
  try {
    await handle.truncate(length);
    await handle.sync();
    await syncFolder(dirname(file));
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { ...appender(file, handle, { lines, length }), [Symbol.asyncDispose]: () => handle.close() };
}

function appender(
  file: string,
  handle: FileHandle,
  { lines, length }: Pick<JournalContent, 'lines' | 'length'>,
): Pick<Journal, 'append' | 'next'> {
  let last = lines;
  let end = length;
  let hasRest = false;
  const append: Journal['append'] = async (change) => {
    const readable = check(changeSchema, change);
    // A line that cannot be read again would be lost at the next start.
    if (!readable.success)
      throw new QcError(
        'internal',
        `a change of ${file} does not match its schema: ${readable.error.message}`,
      );
    const line = Buffer.from(`${JSON.stringify(change)}\n`);
    try {
      // Half a line would make the next one unreadable.
      if (hasRest) await handle.truncate(end);
      hasRest = true;
      await handle.appendFile(line);
      await handle.datasync();
      end += line.length;
      hasRest = false;
      return { line: ++last, change };
    } catch (cause) {
      await handle.truncate(end).then(
        () => {
          hasRest = false;
        },
        () => undefined,
      );
      const what = `cannot write ${file}: ${(cause as Error).message}`;
      throw new QcError('dataset-write-failed', what, { cause });
    }
  };
  return { append, next: () => last + 1 };
}
