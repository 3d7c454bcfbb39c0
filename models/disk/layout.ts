/**
 * Where things lie in the storage directory, and what it promises across versions of the agent: `<storage>/version` says in which layout the data
 * lies. An agent reads its own layout and every older one; data of a newer layout is refused before anything is touched.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { writeDurably } from './durable.ts';
import { makeFolders } from './folders.ts';

/** Raised by one whenever an older agent would misread or lose what a newer one wrote. */
export const layout = 1;

/** Bases that were pulled, and variants that were made here. */
export const basesIn = (storageDirectory: string) => join(storageDirectory, 'bases');

/** What can be made again at any time (compiled.ts). */
export const cacheIn = (storageDirectory: string) => join(storageDirectory, 'cache');

const versionSchema = z.object({
  schema: z.literal(1),
  layout: z.number().int().min(1),
  /** Version of the agent that wrote in this layout first. */
  since: z.string().min(1),
});

/**
 * Refuses data that a newer agent wrote. Changes nothing; a directory that is not there yet is fine.
 * @throws QcError data-newer, data-damaged
 */
export async function requireReadable(storageDirectory: string): Promise<void> {
  const file = join(storageDirectory, 'version');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    if (error.code !== 'ENOTDIR') throw error;
    throw new QcError('data-damaged', `${storageDirectory} is not a directory, or lies below a file`, {
      remedy: 'correct storage.directory',
    });
  });
  // Data from before there was such a file is of the first layout.
  if (text === undefined) return;
  let found: z.output<typeof versionSchema>;
  try {
    found = versionSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new QcError('data-damaged', `${file} does not say in which layout the data lies`, { cause });
  }
  requireLayout(found.layout, `${storageDirectory} was written by qc-edge-agent ${found.since}`);
}

/** @param what whose layout it is, as the start of a sentence. @throws QcError data-newer */
export function requireLayout(found: number, what: string): void {
  if (found > layout) {
    throw new QcError('data-newer', `${what} in layout ${found}; this version reads layouts up to ${layout}`);
  }
}

/**
 * Makes the directory where it is missing and writes down that its data is in this agent's layout from now on.
 * @throws QcError data-newer, data-damaged
 */
export async function claimLayout(storageDirectory: string, version: string): Promise<void> {
  await requireReadable(storageDirectory);
  const file = join(storageDirectory, 'version');
  await makeFolders(storageDirectory);
  const said = await readFile(file, 'utf8').catch(() => '');
  if (said && (JSON.parse(said) as { layout: number }).layout === layout) return;
  await writeDurably(file, `${JSON.stringify({ schema: 1, layout, since: version })}\n`);
}
