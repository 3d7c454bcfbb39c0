/** The bases that can be pulled by name (catalogue.json). It contains only facts stated by a source. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../../../config/package.ts';

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const path = z.string().regex(/^[A-Za-z0-9][\w./+-]*$/);

const huggingFace = z.strictObject({
  hub: z.literal('huggingface'),
  repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
  commit: hex(40).nullable().describe('null: none was known; the newest is pulled, and recorded'),
  file: path.optional().describe('default: the weights are chosen from the list of files'),
});

const file = z.strictObject({
  hub: z.enum(['torchvision', 'meta', 'keras', 'kaggle', 'ngc']),
  path: path.describe('below the address of the hub'),
  bytes: z.number().int().positive().optional(),
  sha256: hex(64).optional(),
  md5: hex(32).optional(),
  archive: z.literal('tar.gz').optional(),
});

const entrySchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/),
  address: z
    .string()
    .regex(/^[a-z]+:\S+$/)
    .describe('the short form, as on the command line'),
  source: z.discriminatedUnion('hub', [huggingFace, file]),
  architecture: z.string().min(1),
  input: z.string().min(1).describe('how images are prepared'),
  licence: z.string().min(1),
  licenceUrl: z.url(),
  megabytes: z.number().positive(),
  remarks: z.string().optional(),
});

const catalogueSchema = z.strictObject({ schema: z.literal(1), bases: z.array(entrySchema) });

export type CatalogueEntry = z.output<typeof entrySchema>;
export type FileSource = z.output<typeof file>;

/** @throws an error if the file of this package is damaged */
export async function readCatalogue(): Promise<readonly CatalogueEntry[]> {
  const text = await readFile(join(packageRoot, 'models/hubs/pull/catalogue.json'), 'utf8');
  return catalogueSchema.parse(JSON.parse(text)).bases;
}

/** The check of the bytes of an entry, as text. */
export function shownProof({ source }: CatalogueEntry): string {
  if (source.hub === 'huggingface')
    return source.commit === null ? 'hash of the hub' : 'commit, hash of the hub';
  if (source.sha256) return 'sha256';
  if (source.md5) return 'md5';
  if (/-[0-9a-f]{8}\.\w+$/.test(source.path)) return 'start of sha256';
  return source.hub === 'kaggle' ? 'md5 of the hub' : 'recorded at first download';
}
