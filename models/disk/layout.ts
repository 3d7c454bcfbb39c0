/**
 * Layout of the storage directory and its compatibility between versions of the agent: `<storage>/version` contains the number of
 * the layout. An agent reads its own layout and all older ones. It refuses data of a newer layout before it changes anything.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { writeDurably } from './durable.ts';
import { makeFolders } from './folders.ts';

/** Incremented when an older agent would misread or lose data of a newer one. */
export const layout = 1;

/** Downloaded bases, and variants made here. */
export const basesIn = (storageDirectory: string) => join(storageDirectory, 'bases');

/** Data that can be recreated at any time (compiled.ts). */
export const cacheIn = (storageDirectory: string) => join(storageDirectory, 'cache');

const versionSchema = z.object({
  schema: z.literal(1),
  layout: z.number().int().min(1),
  /** The first version of the agent that wrote this layout. */
  since: z.string().min(1),
});

/**
 * Refuses data that a newer agent wrote. Changes nothing; the directory may not exist yet.
 * @throws QcError data-newer, data-damaged
 */
export async function requireReadable(storageDirectory: string): Promise<void> {
  const file = join(storageDirectory, 'version');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    if (error.code !== 'ENOTDIR') throw error;
    throw new QcError('data-damaged', `${storageDirectory} is not a directory, or is below a file`, {
      remedy: 'correct storage.directory',
    });
  });
  // Data without this file has the first layout.
  if (text === undefined) return;
  let found: z.output<typeof versionSchema>;
  try {
    found = versionSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new QcError('data-damaged', `${file} does not contain the layout of the data`, { cause });
  }
  requireLayout(found.layout, `${storageDirectory} was written by qc-edge-agent ${found.since}`);
}

/** @param what the start of the error message. @throws QcError data-newer */
export function requireLayout(found: number, what: string): void {
  if (found > layout) {
    throw new QcError('data-newer', `${what} in layout ${found}; this version reads layouts up to ${layout}`);
  }
}

/**
 * Creates the directory if it is missing and records that its data has this agent's layout.
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
