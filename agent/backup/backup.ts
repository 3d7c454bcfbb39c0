/** Dataset, models, bases, recipe and configuration in one file, while the agent runs. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { layout, requireReadable } from '../../models/disk/layout.ts';
import { type Archive, createArchive } from './archive.ts';
import { type BackupFile, type BackupManifest, configName, manifestName, requireRoom } from './contents.ts';
import { missing, pieces, type Records, readRecords, versionOf } from './snapshot.ts';

export interface BackupDeps {
  /** Version of the agent. */
  readonly version: string;
  readonly signal: AbortSignal;
  readonly onNotice: (text: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Summary of a backup; `files` is their number. */
export type BackupContent = Omit<BackupManifest, 'files'> & { readonly files: number };

export type BackupFacts = BackupContent & { readonly file: string; readonly bytes: number };

/** Maximum number of rounds in which new files are added. */
const maxPasses = 20;
/** A file that is missing this often is lost: a file that was moved is found in the next round. */
const lostAfter = 4;

/**
 * Writes a backup of the storage of one station. Nothing is locked: a running line continues, and labels added
 * meanwhile are either completely in the backup or not at all.
 * @throws QcError backup-target, disk-too-small, backup-failed, backup-unsteady, data-newer
 */
export async function backup(
  { station, storage: { directory }, model }: Pick<Config, 'station' | 'storage' | 'model'>,
  { configFile, target: given }: { readonly configFile: string; readonly target: string },
  deps: BackupDeps,
): Promise<BackupFacts> {
  await requireReadable(directory);
  const target = resolve(given);
  await requireTarget(target);
  if (/[\\/]/.test(model.base))
    deps.onNotice(`the base ${model.base} is outside the storage directory and is not in the backup`);
  const found = await pieces(directory);
  await requireRoom(
    dirname(target),
    found.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  await using archive = createArchive(target);
  let manifest: BackupManifest;
  try {
    const { files, records } = await take(archive, directory, deps);
    const config = await archive.add(configName, configFile);
    manifest = {
      schema: 1,
      layout,
      agent: deps.version,
      station,
      createdAt: new Date().toISOString(),
      frames: records.frames,
      versions: [...new Set(files.flatMap(({ path }) => versionOf(path) ?? []))].sort(),
      ...(records.active !== undefined && { active: records.active }),
      files: config ? [...files, config] : files,
    };
    archive.addContent(manifestName, Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`));
    await archive.finish();
  } catch (cause) {
    if (cause instanceof QcError || deps.signal.aborted) throw cause;
    throw new QcError('backup-failed', `cannot write ${target}: ${(cause as Error).message}`, { cause });
  }
  const { size } = await stat(target);
  const { files: _, ...facts } = manifest;
  return { file: target, bytes: size, files: manifest.files.length, ...facts };
}

async function requireTarget(target: string): Promise<void> {
  if (existsSync(target)) throw new QcError('backup-target', `${target} exists already`);
  const folder = await stat(dirname(target)).catch(() => undefined);
  if (!folder?.isDirectory()) throw new QcError('backup-target', `there is no folder ${dirname(target)}`);
}

/**
 * Saves records and the files that they name. The records come first: the files that they name existed then and can only have
 * been moved or deleted since. A moved file is found in the next round; a deleted file is not named by newer records.
 */
async function take(
  archive: Archive,
  directory: string,
  { signal, onNotice, onProgress }: BackupDeps,
): Promise<{ readonly files: BackupFile[]; readonly records: Records }> {
  const taken = new Map<string, BackupFile>();
  /** How often a file was named but missing. */
  const wanted = new Map<string, number>();
  let records = await readRecords(directory);
  for (let pass = 0; pass < maxPasses; pass++) {
    if (pass > 0 && pass % 2 === 0) records = await readRecords(directory);
    const found = await pieces(directory);
    for (const [index, { key, path }] of found.entries()) {
      signal.throwIfAborted();
      if (pass === 0) onProgress?.(index, found.length);
      const file = taken.has(key) ? undefined : await archive.add(path, join(directory, path));
      if (file) taken.set(key, file);
    }
    if (pass === 0) onProgress?.(found.length, found.length);
    const left = missing(records, new Set(taken.keys()));
    for (const key of left) wanted.set(key, (wanted.get(key) ?? 0) + 1);
    const lost = left.filter((key) => wanted.get(key)! >= lostAfter);
    if (lost.length < left.length) continue;
    if (lost.length > 0)
      onNotice(`${lost.length} files were missing already and are not in the backup: ${lost[0]}`);
    const there = new Set(found.map(({ path }) => versionOf(path)));
    const files = [...taken].filter(
      ([key, { path }]) =>
        path.startsWith('bases/') ||
        (path.startsWith('models/') ? there.has(versionOf(path)) : records.pictures.has(key)),
    );
    return {
      files: [
        ...files.map(([, file]) => file),
        ...Array.from(records.files, ([path, content]) => archive.addContent(path, content)),
      ],
      records,
    };
  }
  throw new QcError('backup-unsteady', `${wanted.size} files changed faster than they could be saved`);
}
