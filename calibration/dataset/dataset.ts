/**
 * Labelled frames on disk: `<storage>/dataset/<label>/<id>.png`, an ImageFolder for any training tool, and
 * `labels.jsonl`, which is the truth. A picture is whole on the disk before its line is written, and the line is
 * on the disk before anything is acknowledged; what a power cut leaves out of place is put right at the next start.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import sharp from 'sharp';
import { QcError } from '../../config/errors.ts';
import { syncFolder, writeDurably } from '../../models/durable.ts';
import type { Image } from '../../models/image.ts';
import { takeLock } from '../../models/lock.ts';
import { frameId, type LabelledFrame, revisionOf } from './frame.ts';
import { type Change, openJournal, readJournal } from './journal.ts';
import { checkLabel, folderOf } from './label.ts';
import { apply, type Done, type Entry, emptyState, type State, undoable } from './state.ts';

export interface NewFrame {
  readonly image: Image;
  readonly label: string;
  /** Who says so. */
  readonly by: string;
  readonly partId?: string | undefined;
  readonly camera?: string | undefined;
  /** ISO 8601 */
  readonly capturedAt?: string | undefined;
  readonly judged?: LabelledFrame['judged'];
  /** When it was labelled, where that was not now (import); ISO 8601. */
  readonly at?: string | undefined;
}

export interface DatasetView {
  /** sha256 of which pictures have which label. */
  readonly revision: string;
  /** In the order in which they came. */
  readonly frames: readonly LabelledFrame[];
  /** The last change that stands: what undo would take back. */
  readonly last: Done['change'] | undefined;
}

export interface Dataset extends DatasetView, AsyncDisposable {
  /** `same`: that picture had that label already. @throws QcError label-invalid, dataset-write-failed */
  add(frame: NewFrame): Promise<{ readonly id: string; readonly outcome: 'added' | 'relabelled' | 'same' }>;
  /** @throws QcError frame-unknown, label-invalid, dataset-write-failed */
  relabel(ids: readonly string[], label: string, by: string): Promise<void>;
  /** @throws QcError frame-unknown, dataset-write-failed */
  remove(ids: readonly string[], by: string): Promise<void>;
  /** Takes the last change back that stands, at most 200 of them; returns it, or undefined where there is none. */
  undo(by: string): Promise<Done['change'] | undefined>;
}

const journalName = 'labels.jsonl';
/** Pictures that an undo may bring back, and files that nobody knows. */
const trashName = '.trash';
const strangersName = '.set-aside';
const pictureName = /^([0-9a-f]{64})\.png$/;

/** What is there, without taking the lock or mending anything. */
export async function readDataset(
  storageDirectory: string,
  onNotice: (text: string) => void,
): Promise<DatasetView> {
  const folder = resolve(storageDirectory, 'dataset');
  const state = emptyState();
  for (const change of (await readJournal(join(folder, journalName), onNotice)).changes) apply(state, change);
  return viewOf(folder, state);
}

/**
 * Opens the dataset for writing and puts right what a power cut left.
 * @throws QcError dataset-busy
 */
export async function openDataset(
  storageDirectory: string,
  { onNotice }: { readonly onNotice: (text: string) => void },
): Promise<Dataset> {
  const folder = resolve(storageDirectory, 'dataset');
  const file = join(folder, journalName);
  await mkdir(join(folder, trashName), { recursive: true });
  const lock = await takeLock(join(folder, '.lock'), {
    code: 'dataset-busy',
    does: 'is writing to the dataset',
  });
  try {
    const { changes, length, torn } = await readJournal(file, onNotice);
    const state = emptyState();
    for (const change of changes) apply(state, change);
    await mend(folder, state, onNotice);
    const journal = await openJournal(file, length, torn);
    return writer(folder, state, {
      append: (change) => journal.append(change),
      async close() {
        await journal[Symbol.asyncDispose]();
        await lock[Symbol.asyncDispose]();
      },
    });
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

interface Paper {
  append(change: Change): Promise<void>;
  close(): Promise<void>;
}

function writer(folder: string, state: State, journal: Paper): Dataset {
  let view: DatasetView | undefined;
  let last: Promise<unknown> = Promise.resolve();
  /** One change after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
  const now = () => new Date().toISOString();

  /** Writes the change down, then moves the pictures to where it says they are. */
  async function commit(change: Change): Promise<void> {
    const places = new Map<string, string>();
    const ids = change.kind === 'undo' ? (state.done.at(-1)?.before.map(([id]) => id) ?? []) : idsOf(change);
    for (const id of ids) places.set(id, placeOf(folder, id, state.entries.get(id)));
    await journal.append(change);
    view = undefined;
    for (const id of apply(state, change)) {
      const to = placeOf(folder, id, state.entries.get(id));
      const from = places.get(id)!;
      if (from !== to && change.kind !== 'label') await move(from, to);
    }
  }

  function known(ids: readonly string[]): string[] {
    const unknown = ids.find((id) => !state.entries.has(id));
    if (unknown !== undefined) throw new QcError('frame-unknown', `there is no frame ${unknown}`);
    return [...ids];
  }

  return {
    get revision() {
      view ??= viewOf(folder, state);
      return view.revision;
    },
    get frames() {
      view ??= viewOf(folder, state);
      return view.frames;
    },
    get last() {
      return state.done.at(-1)?.change;
    },
    add: (frame) =>
      inTurn(async () => {
        const label = checkLabel(frame.label);
        const id = frameId(frame.image);
        const before = state.entries.get(id);
        const { by, partId, camera, capturedAt, judged, at = now() } = frame;
        if (before?.label === label) return { id, outcome: 'same' as const };
        if (before) {
          await commit({ schema: 1, at, by, kind: 'relabel', ids: [id], label });
          return { id, outcome: 'relabelled' as const };
        }
        const place = placeOf(folder, id, { label });
        await writePicture(place, frame.image);
        try {
          await commit({ schema: 1, at, by, kind: 'label', id, label, partId, camera, capturedAt, judged });
        } catch (error) {
          await rm(place, { force: true });
          throw error;
        }
        return { id, outcome: 'added' as const };
      }),
    relabel: (ids, text, by) =>
      inTurn(async () => {
        const label = checkLabel(text);
        if (ids.length > 0)
          await commit({ schema: 1, at: now(), by, kind: 'relabel', ids: known(ids), label });
      }),
    remove: (ids, by) =>
      inTurn(async () => {
        if (ids.length === 0) return;
        await commit({ schema: 1, at: now(), by, kind: 'remove', ids: known(ids) });
        await emptyTrash(folder, state);
      }),
    undo: (by) =>
      inTurn(async () => {
        const undone = state.done.at(-1)?.change;
        if (undone) await commit({ schema: 1, at: now(), by, kind: 'undo' });
        return undone;
      }),
    [Symbol.asyncDispose]: () => inTurn(() => journal.close()),
  };
}

const idsOf = (change: Done['change']): readonly string[] => ('ids' in change ? change.ids : [change.id]);

function viewOf(folder: string, { entries, done }: State): DatasetView {
  const frames = Array.from(entries.values(), (entry) => ({
    ...entry,
    file: placeOf(folder, entry.id, entry),
  }));
  return { frames, revision: revisionOf(frames), last: done.at(-1)?.change };
}

/** Where the picture of an entry lies; without an entry, in the trash. */
function placeOf(folder: string, id: string, entry: Pick<Entry, 'label'> | undefined): string {
  return join(folder, entry ? folderOf(entry.label) : trashName, `${id}.png`);
}

async function writePicture(file: string, { width, height, data }: Image): Promise<void> {
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  try {
    await makeFolder(dirname(file));
    await writeDurably(file, png);
  } catch (cause) {
    await rm(`${file}.draft`, { force: true }).catch(() => undefined);
    const what = `cannot write ${file}: ${(cause as Error).message}`;
    throw new QcError('dataset-write-failed', what, { cause });
  }
}

async function makeFolder(folder: string): Promise<void> {
  if (await mkdir(folder, { recursive: true })) await syncFolder(dirname(folder));
}

async function move(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    // Somebody took it away by hand: the next start says so.
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Where every picture lies that has the name of one: id → paths. Drafts of pictures that never were are cleared. */
async function findPictures(folder: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === strangersName) continue;
    for (const name of await readdir(join(folder, entry.name))) {
      const path = join(folder, entry.name, name);
      const id = pictureName.exec(name)?.[1];
      if (id !== undefined) found.set(id, [...(found.get(id) ?? []), path]);
      else if (name.endsWith('.png.draft')) await rm(path, { force: true });
    }
  }
  return found;
}

/** Moves every picture to where the journal says it is; leaves out, with a notice, what is not there any more. */
async function mend(folder: string, state: State, onNotice: (text: string) => void): Promise<void> {
  const found = await findPictures(folder);
  const wanted = undoable(state);
  let missing = 0;
  for (const [id, entry] of state.entries) {
    const place = placeOf(folder, id, entry);
    const paths = found.get(id) ?? [];
    found.delete(id);
    const kept = paths.includes(place) ? place : paths[0];
    for (const path of paths) if (path !== kept) await rm(path);
    if (kept === undefined) {
      state.entries.delete(id);
      missing++;
    } else if (kept !== place) await move(kept, place);
  }
  if (missing > 0) onNotice(`${missing} labelled pictures are missing in ${folder} and left out`);

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
      if (path !== to) await move(path, to);
    }
  }
  if (strangers > 0) {
    onNotice(
      `${strangers} pictures nobody had labelled yet were set aside in ${join(folder, strangersName)}`,
    );
  }
}

/** Deletes removed pictures that no undo can bring back any more. */
async function emptyTrash(folder: string, state: State): Promise<void> {
  const wanted = undoable(state);
  for (const name of await readdir(join(folder, trashName))) {
    const id = pictureName.exec(name)?.[1];
    if (id === undefined || !wanted.has(id)) await rm(join(folder, trashName, name), { force: true });
  }
}
