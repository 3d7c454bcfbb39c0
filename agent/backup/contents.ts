/** Format of a backup: a zip with these files and `backup.json`, which lists every file with its hash. Version 1. */
import { statfs } from 'node:fs/promises';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';

export const manifestName = 'backup.json';
/** The configuration file in use; it never contains passwords. */
export const configName = 'config.yaml';
/** Folders and files below the storage directory that a restore replaces. */
export const roots = ['dataset', 'models', 'bases', 'recipe.json'] as const;
/** Maximum number of files of a backup: no dataset has more. */
export const maxFiles = 1_000_000;

/** A path below one of the roots of the storage directory; it cannot lead outside. */
const path = z
  .string()
  .max(1_024)
  .refine((text) => {
    const parts = text.split('/');
    const isPlain = parts.every((part) => !['', '.', '..'].includes(part) && !/[\\\0:]/.test(part));
    return isPlain && (text === configName || (roots as readonly string[]).includes(parts[0]!));
  }, 'is a path outside of the backup');

export const fileSchema = z.strictObject({
  path,
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  layout: z.number().int().min(1).describe('folder that contained the storage directory'),
  agent: z.string().min(1).describe('version that wrote it'),
  station: z.string(),
  createdAt: z.iso.datetime(),
  frames: z.number().int().min(0).describe('labelled frames'),
  versions: z.array(z.string()).describe('model versions'),
  active: z.string().optional().describe('the active version'),
  files: z.array(fileSchema).max(maxFiles),
});

export type BackupFile = z.output<typeof fileSchema>;
export type BackupManifest = z.output<typeof manifestSchema>;

/** Free space to leave for other programs, bytes. */
const spareBytes = 1_000_000;

/** @throws QcError disk-too-small */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + spareBytes) return;
  const mb = (value: number) => `${Math.ceil(value / 1e6)} MB`;
  throw new QcError('disk-too-small', `${folder} has ${mb(free)} free, ${mb(bytes + spareBytes)} are needed`);
}
