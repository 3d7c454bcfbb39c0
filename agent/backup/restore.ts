/** Restores a backup into a storage directory that no agent uses, completely or not at all. */
import { chown, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { syncFolder } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { claimLayout } from '../../models/disk/layout.ts';
import { openStore } from '../../models/versions/store.ts';
import { holdDataDirectory } from '../lifecycle/data-directory.ts';
import { beforeFolder, draftFolder, finishRestore, readyFolder } from '../lifecycle/finish-restore.ts';
import { newId } from '../lifecycle/id.ts';
import type { BackupContent, BackupDeps } from './backup.ts';
import { type BackupFile, configName, requireRoom, roots } from './contents.ts';
import { type Backup, openBackup } from './read.ts';

type RestoreConfig = Pick<Config, 'station' | 'storage'>;

export type Restored = BackupContent & {
  /** The folder with the previous files. */
  readonly before: string;
};

/**
 * Reads the whole backup and verifies every hash; changes nothing.
 * @throws QcError backup-unreadable, backup-damaged, data-newer
 */
export async function checkBackup(file: string, deps: Omit<BackupDeps, 'version'>): Promise<BackupContent> {
  await using backup = await openBackup(file);
  await each(backup, backup.manifest.files, deps, (one) => backup.read(one, async () => undefined));
  return contentOf(backup);
}

/**
 * Replaces dataset, models, bases and recipe with those of the backup. The previous files are kept in a separate folder; evidence, outbox
 * and everything else are not changed.
 * @throws QcError agent-running, dataset-busy, backup-unreadable, backup-damaged, data-newer, disk-too-small,
 * restore-failed; then nothing was changed
 */
export async function restore(
  { station, storage: { directory } }: RestoreConfig,
  file: string,
  deps: BackupDeps,
): Promise<Restored> {
  await using backup = await openBackup(file);
  const { manifest } = backup;
  if (manifest.station !== station)
    deps.onNotice(`it is a backup of station ${manifest.station}, not of ${station}`);
  await using _held = await holdDataDirectory(directory);
  // Locks out imports: they would continue writing the journal in the folder that is moved away.
  await using _dataset = await openDataset(directory, { onNotice: deps.onNotice });
  await requireRoom(
    directory,
    manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  const id = newId();
  const draft = draftFolder(directory, id);
  try {
    await unpack(backup, draft, deps);
    await giveToOwner(draft, directory);
    await rename(draft, readyFolder(directory, id));
    await syncFolder(directory);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    if (cause instanceof QcError || deps.signal.aborted) throw cause;
    throw new QcError('restore-failed', `cannot write ${directory}: ${(cause as Error).message}`, { cause });
  }
  await finishRestore(directory);
  return { ...contentOf(backup), before: beforeFolder(directory, id) };
}

/** Unpacks the storage directory below the draft and checks that it is usable. */
async function unpack(backup: Backup, draft: string, deps: BackupDeps): Promise<void> {
  const { manifest } = backup;
  for (const root of roots.filter((name) => !name.includes('.'))) await makeFolders(join(draft, root));
  const files = manifest.files.filter(({ path }) => path !== configName);
  const folders = new Set<string>();
  await each(backup, files, deps, async (file) => {
    const target = join(draft, file.path);
    await makeFolders(dirname(target));
    folders.add(dirname(target));
    const handle = await open(target, 'wx');
    try {
      await backup.read(file, async (chunk) => void (await handle.write(chunk)));
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
  const damaged = (what: string) => new QcError('backup-damaged', what);
  // Opening the dataset moves the images to the folders of their labels.
  const dataset = await openDataset(draft, { onNotice: deps.onNotice });
  const { length } = dataset.frames;
  await dataset[Symbol.asyncDispose]();
  if (length !== manifest.frames)
    throw damaged(`${length} labelled frames can be read, ${manifest.frames} were saved`);
  const store = await openStore(draft);
  for (const version of manifest.versions) await store.read(version);
  await claimLayout(draft, deps.version);
  for (const folder of [...folders, draft]) await syncFolder(folder);
}

/** Files restored by root get the owner of the storage directory. */
async function giveToOwner(draft: string, directory: string): Promise<void> {
  const { uid, gid } = await stat(directory);
  const own = await stat(draft);
  if (own.uid === uid && own.gid === gid) return;
  for (const name of ['', ...(await readdir(draft, { recursive: true }))])
    await chown(join(draft, name), uid, gid);
}

async function each(
  { manifest }: Backup,
  files: readonly BackupFile[],
  { signal, onProgress }: Omit<BackupDeps, 'version'>,
  work: (file: BackupFile) => Promise<void>,
): Promise<void> {
  for (const [index, file] of files.entries()) {
    signal.throwIfAborted();
    onProgress?.(index, manifest.files.length);
    await work(file);
  }
  onProgress?.(manifest.files.length, manifest.files.length);
}

function contentOf({ manifest: { files, ...facts } }: Backup): BackupContent {
  return { ...facts, files: files.length };
}
