/**
 * Record of a file at its first download: `<storage>/bases/pulled/<hash of its address>.json`. Later downloads must equal
 * it.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { QcError } from '../../../config/errors.ts';
import { writeDurably } from '../../disk/durable.ts';
import { makeFolders } from '../../disk/folders.ts';
import { basesIn } from '../../disk/layout.ts';

const schema = z.object({
  schema: z.literal(1),
  /** The address with its pin, without a query. */
  address: z.string().min(1),
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  recordedAt: z.iso.datetime(),
});

export type RecordedFile = z.output<typeof schema>;

export function recordOf(storageDirectory: string, address: string): string {
  const name = createHash('sha256').update(address).digest('hex').slice(0, 32);
  return join(basesIn(storageDirectory), 'pulled', `${name}.json`);
}

/** @throws QcError data-damaged */
export async function readRecord(
  storageDirectory: string,
  address: string,
): Promise<RecordedFile | undefined> {
  const file = recordOf(storageDirectory, address);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const read = check(schema, JSON.parse(text));
    if (read.success && read.data.address === address) return read.data;
  } catch {
    // Reported below.
  }
  throw new QcError('data-damaged', `${file} does not contain the hash of ${address}`, {
    remedy: 'restore it from a backup; or delete it, and the hash of the next download is recorded',
  });
}

/** Keeps the first record. */
export async function record(
  storageDirectory: string,
  address: string,
  { bytes, sha256 }: Pick<RecordedFile, 'bytes' | 'sha256'>,
): Promise<void> {
  if (await readRecord(storageDirectory, address)) return;
  const file = recordOf(storageDirectory, address);
  await makeFolders(join(basesIn(storageDirectory), 'pulled'));
  const content: RecordedFile = { schema: 1, address, bytes, sha256, recordedAt: new Date().toISOString() };
  await writeDurably(file, `${JSON.stringify(content, null, 2)}\n`);
}
