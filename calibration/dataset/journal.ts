/** `labels.jsonl`: every change of the dataset, one line each, only ever added to; what it says is the truth. */
import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { QcError } from '../../config/errors.ts';
import { whyUnstorable } from '../../config/label-name.ts';
import { syncFolder } from '../../models/durable.ts';

const id = z.string().regex(/^[0-9a-f]{64}$/, 'must be a sha256: 64 hex digits in lower case');
const common = {
  schema: z.literal(1),
  at: z.iso.datetime().describe('when it was done'),
  by: z.string().min(1).max(200).describe('who did it'),
};
export const changeSchema = z.discriminatedUnion('kind', [
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
        drawn: z.boolean().describe('offered by chance, whatever had been said'),
      })
      .optional()
      .describe('what the line had said of it'),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('relabel'),
    ids: z.array(id).min(1),
    label: z.string().min(1),
  }),
  z.strictObject({ ...common, kind: z.literal('remove'), ids: z.array(id).min(1) }),
  z.strictObject({ ...common, kind: z.literal('undo') }).describe('takes back the last change that stands'),
]);
export type Change = z.output<typeof changeSchema>;

export interface Journal extends AsyncDisposable {
  /** Resolves once the change is on the disk. @throws QcError internal, dataset-write-failed; then nothing was added */
  append(change: Change): Promise<void>;
}

/**
 * The changes of a journal, oldest first. A last line without its end was being written when the power went: it was
 * never acknowledged and is left out. A damaged line elsewhere is left out with a notice; one with a label that cannot be
 * stored is noticed too: frames keep the label they had before it.
 * @returns also the length of what is whole, bytes
 */
export async function readJournal(
  file: string,
  onNotice: (text: string) => void,
): Promise<{ readonly changes: Change[]; readonly length: number; readonly torn: Buffer }> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
  const length = bytes.lastIndexOf(0x0a) + 1;
  const changes = parseJournal(bytes.subarray(0, length), (line, why) =>
    onNotice(`${file}, line ${line} ${why}`),
  );
  return { changes, length, torn: bytes.subarray(length) };
}

/** The changes in whole lines, oldest first. @param onDamaged told the number of a line that has no effect, and why */
export function parseJournal(bytes: Buffer, onDamaged: (line: number, why: string) => void): Change[] {
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  return lines.flatMap((line, index) => {
    const change = parse(line);
    if (!change) {
      onDamaged(index + 1, 'is damaged and left out');
      return [];
    }
    const why = 'label' in change ? whyUnstorable(change.label) : undefined;
    if (why !== undefined)
      onDamaged(index + 1, `has a label that cannot be stored and has no effect: ${why}`);
    return [change];
  });
}

function parse(line: string): Change | undefined {
  try {
    return changeSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** Opens a journal for adding to it, after `length` whole bytes; a torn end is set aside beside it. */
export async function openJournal(file: string, length: number, torn: Buffer): Promise<Journal> {
  if (torn.length > 0) await writeFile(`${file}.torn`, torn);
  const handle = await open(file, 'a');
  try {
    await handle.truncate(length);
    await handle.sync();
    await syncFolder(dirname(file));
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { append: appender(file, handle, length), [Symbol.asyncDispose]: () => handle.close() };
}

function appender(file: string, handle: FileHandle, length: number): Journal['append'] {
  let end = length;
  return async (change) => {
    const readable = check(changeSchema, change);
    // What could not be read again would be lost at the next start.
    if (!readable.success)
      throw new QcError(
        'internal',
        `a change of ${file} is not as its schema says: ${readable.error.message}`,
      );
    const line = Buffer.from(`${JSON.stringify(change)}\n`);
    try {
      await handle.appendFile(line);
      await handle.datasync();
      end += line.length;
    } catch (cause) {
      // Half a line would swallow the next one.
      await handle.truncate(end).catch(() => undefined);
      const what = `cannot write ${file}: ${(cause as Error).message}`;
      throw new QcError('dataset-write-failed', what, { cause });
    }
  };
}
