/**
 * Places of the images of a dataset: `<folder>/<label>/<id>.png`, and `.trash` for removed ones while an undo may restore
 * them. Images in other places after a power cut, or moved by hand, are moved back when the dataset is opened.
 */
import { readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { QcError } from '../../config/errors.ts';
import { folderOfLabel, isKeptByDataset } from '../../config/label-name.ts';
import { syncFolder, writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Image } from '../../models/image.ts';
import { type Entry, put, type State, undoable } from './state.ts';

const trashName = '.trash';
const strangersName = '.set-aside';
const pictureName = /^([0-9a-f]{64})\.png$/;

export interface Move {
  readonly from: string;
  readonly to: string;
}

/** The folder of removed images. */
export const trashOf = (folder: string) => join(folder, trashName);

/** Path of the image of an entry; without an entry, in the trash. */
export function placeOf(folder: string, id: string, entry: Pick<Entry, 'label'> | undefined): string {
  return join(folder, entry ? folderOfLabel(entry.label) : trashName, `${id}.png`);
}

/** On the disk when it resolves. @throws QcError dataset-write-failed; then nothing was written */
export async function writePicture(file: string, { width, height, data }: Image): Promise<void> {
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  try {
    await makeFolder(dirname(file));
    await writeDurably(file, png);
  } catch (cause) {
    await rm(`${file}.draft`, { force: true }).catch(() => undefined);
    await removeIfEmpty(dirname(file));
    throw writeFailed(`cannot write ${file}`, cause);
  }
}

export async function deletePicture(file: string): Promise<void> {
  await rm(file, { force: true });
  await removeIfEmpty(dirname(file));
}

/**
 * Moves all of them or none. Folders of labels that are empty afterwards are removed.
 * @throws QcError dataset-write-failed, then no image was moved
 */
export async function movePictures(moves: readonly Move[]): Promise<void> {
  const done: Move[] = [];
  try {
    for (const one of moves) {
      await move(one);
      done.push(one);
    }
  } catch (cause) {
    await moveBack(done);
    await removeEmptied(moves);
    throw writeFailed(`cannot move an image to ${dirname(moves[done.length]!.to)}`, cause);
  }
  await removeEmptied(moves);
}

/** As far as possible: opening the dataset repairs the rest. */
export async function moveBack(moves: readonly Move[]): Promise<void> {
  for (const { from, to } of moves.toReversed()) await move({ from: to, to: from }).catch(() => undefined);
  await removeEmptied(moves);
}

/**
 * Moves every image to its place according to the state. Images that are missing, or cannot be stored under their label,
 * are removed from the state with a notice.
 */
export async function mend(folder: string, state: State, onNotice: (text: string) => void): Promise<void> {
  const found = await findPictures(folder, onNotice);
  const wanted = undoable(state);
  let missing = 0;
  /** Reason → images. */
  const unmoved = new Map<string, number>();
  for (const [id, entry] of state.entries) {
    const place = placeOf(folder, id, entry);
    const paths = found.get(id) ?? [];
    found.delete(id);
    const kept = paths.includes(place) ? place : paths[0];
    for (const path of paths) if (path !== kept) await rm(path);
    if (kept === undefined) {
      put(state, id, undefined);
      missing++;
    } else if (kept !== place) {
      await move({ from: kept, to: place }).catch((error: NodeJS.ErrnoException) => {
        put(state, id, undefined);
        const reason = `${dirname(place)} (${error.code ?? error.message})`;
        unmoved.set(reason, (unmoved.get(reason) ?? 0) + 1);
      });
    }
  }
  if (missing > 0) onNotice(`${missing} labelled images are missing in ${folder} and ignored`);
  for (const [reason, count] of unmoved) {
    onNotice(`${count} labelled images are ignored, because they cannot be moved to ${reason}`);
  }

  let strangers = 0;
  for (const [id, paths] of found) {
    for (const path of paths) {
      const trash = placeOf(folder, id, undefined);
      const keep = wanted.has(id);
      if (!keep && path === trash) {
        await rm(path, { force: true });
        continue;
      }
      const to = keep ? trash : join(folder, strangersName, `${id}.png`);
      if (!keep) strangers++;
      if (path !== to) await move({ from: path, to });
    }
  }
  if (strangers > 0) {
    onNotice(`${strangers} unlabelled images were set aside in ${join(folder, strangersName)}`);
  }
  for (const name of await labelFolders(folder)) await removeIfEmpty(join(folder, name));
}

/** Deletes removed images that can no longer be restored by an undo. */
export async function emptyTrash(folder: string, state: State): Promise<void> {
  const wanted = undoable(state);
  for (const name of await readdir(trashOf(folder))) {
    const id = pictureName.exec(name)?.[1];
    if (id === undefined || !wanted.has(id)) await rm(join(trashOf(folder), name), { force: true });
  }
}

/** Paths of all files with the name of an image: id → paths. Incomplete drafts are deleted. */
async function findPictures(
  folder: string,
  onNotice: (text: string) => void,
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const name of [...(await labelFolders(folder)), trashName]) {
    const files = await readdir(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      // Such as `lost+found` if the dataset has its own file system.
      onNotice(`${join(folder, name)} cannot be read and is left out: ${error.message}`);
      return [];
    });
    for (const file of files) {
      const path = join(folder, name, file);
      const id = pictureName.exec(file)?.[1];
      if (id !== undefined) found.set(id, [...(found.get(id) ?? []), path]);
      else if (file.endsWith('.png.draft')) await rm(path, { force: true });
    }
  }
  return found;
}

/** Names of the folders of labels, without those reserved by the dataset. */
async function labelFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && !isKeptByDataset(entry.name))
    .map(({ name }) => name);
}

async function makeFolder(folder: string): Promise<void> {
  if (await makeFolders(folder)) await syncFolder(dirname(folder));
}

async function move({ from, to }: Move): Promise<void> {
  await makeFolder(dirname(to));
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    // It was removed by hand: the next start reports it.
    if (error.code !== 'ENOENT') throw error;
  });
}

async function removeEmptied(moves: readonly Move[]): Promise<void> {
  const folders = new Set(moves.flatMap(({ from, to }) => [dirname(from), dirname(to)]));
  for (const folder of folders) await removeIfEmpty(folder);
}

/** The trash is kept. */
async function removeIfEmpty(folder: string): Promise<void> {
  // Not empty, or used again meanwhile: then it stays.
  if (!folder.endsWith(trashName)) await rmdir(folder).catch(() => undefined);
}

const writeFailed = (what: string, cause: unknown) =>
  new QcError('dataset-write-failed', `${what}: ${(cause as Error).message}`, { cause });
