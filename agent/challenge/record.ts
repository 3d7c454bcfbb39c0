/** The record of the challenge tests on disk: `<storage>/challenge.json`, replaced as a whole. */
import { readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';

const time = z.number().int().min(0).describe('ms since the epoch');

const recordSchema = z.strictObject({
  schema: z.literal(1),
  scheduledSince: time.nullable().describe('when a schedule was first configured: due from then on'),
  running: z
    .strictObject({ startedAt: time, cameras: z.array(z.string()) })
    .nullable()
    .describe('a test that has not ended'),
  cameras: z.record(
    z.string(),
    z.strictObject({
      passedAt: time.nullable(),
      failed: z.strictObject({ at: time, reason: z.string() }).nullable().describe('since it last passed'),
    }),
  ),
});

export type ChallengeRecord = z.output<typeof recordSchema>;

export const emptyRecord: ChallengeRecord = { schema: 1, scheduledSince: null, running: null, cameras: {} };

const fileIn = (storageDirectory: string) => join(storageDirectory, 'challenge.json');

/** The record, or why it is lost: then it is unknown whether the station passed, and a damaged file is set aside. */
export async function readRecord(
  storageDirectory: string,
): Promise<{ readonly record: ChallengeRecord; readonly fault?: string }> {
  const file = fileIn(storageDirectory);
  try {
    const checked = check(recordSchema, JSON.parse(await readFile(file, 'utf8')));
    if (checked.success) return { record: checked.data };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { record: emptyRecord };
    if (code !== undefined) return { record: emptyRecord, fault: `${file} cannot be read (${code})` };
  }
  await rename(file, `${file}.damaged`).catch(() => undefined);
  return { record: emptyRecord, fault: `${file} was damaged and has been renamed to challenge.json.damaged` };
}

/** Durable once it resolves. @throws file system errors */
export async function writeRecord(storageDirectory: string, record: ChallengeRecord): Promise<void> {
  const file = fileIn(storageDirectory);
  await makeFolders(dirname(file));
  await writeDurably(file, `${JSON.stringify(record)}\n`);
}
