/** The last comparison of bases: `<storage>/comparison.json`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { check } from '../../config/check.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { type Comparison, comparisonSchema } from './comparison.ts';

const fileOf = (storageDirectory: string) => join(storageDirectory, 'comparison.json');

/** Replaces the comparison before it. Durable once it resolves. */
export async function keepComparison(storageDirectory: string, comparison: Comparison): Promise<void> {
  await makeFolders(storageDirectory);
  await writeDurably(fileOf(storageDirectory), `${JSON.stringify(comparison, null, 2)}\n`);
}

/** The last comparison; undefined if there is none or it is unreadable. */
export async function lastComparison(storageDirectory: string): Promise<Comparison | undefined> {
  const text = await readFile(fileOf(storageDirectory), 'utf8').catch(() => '');
  try {
    const found = check(comparisonSchema, JSON.parse(text));
    return found.success ? found.data : undefined;
  } catch {
    return undefined;
  }
}
