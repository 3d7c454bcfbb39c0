/** What a backup holds: a zip with these files, and `backup.json`, which names every one with its hash. Version 1. */
import { statfs } from 'node:fs/promises';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';

export const manifestName = 'backup.json';
/** The configuration that was in use, as it was written; passwords never stand in it. */
export const configName = 'config.yaml';
/** Folders and files below the storage directory that a restore puts in place of those that are there. */
export const roots = ['dataset', 'models', 'bases', 'recipe.json'] as const;
/** More than these are no dataset of ours. */
export const mostFiles = 1_000_000;

/** A place below the storage directory: one of the roots, no way out of it. */
const path = z
  .string()
  .max(1_024)
  .refine((text) => {
    const parts = text.split('/');
    const isPlain = parts.every((part) => !['', '.', '..'].includes(part) && !/[\\\0:]/.test(part));
    return isPlain && (text === configName || (roots as readonly string[]).includes(parts[0]!));
  }, 'leads outside of what a backup holds');

export const fileSchema = z.strictObject({
  path,
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  layout: z.number().int().min(1).describe('in which the storage directory lay'),
  agent: z.string().min(1).describe('version that wrote it'),
  station: z.string(),
  createdAt: z.iso.datetime(),
  frames: z.number().int().min(0).describe('labelled frames'),
  versions: z.array(z.string()).describe('of the head'),
  active: z.string().optional().describe('which of them judged'),
  files: z.array(fileSchema).max(mostFiles),
});

export type BackupFile = z.output<typeof fileSchema>;
export type BackupManifest = z.output<typeof manifestSchema>;

/** Some room is left to others, bytes. */
const spareBytes = 1_000_000;

/** @throws QcError disk-too-small */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + spareBytes) return;
  const mb = (value: number) => `${Math.ceil(value / 1e6)} MB`;
  throw new QcError('disk-too-small', `${folder} has ${mb(free)} free, ${mb(bytes + spareBytes)} are needed`);
}
