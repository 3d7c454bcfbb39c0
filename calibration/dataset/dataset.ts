/**
 * Labelled frames on disk: `<storage>/dataset/<label>/<id>.png`, an ImageFolder for any training tool, and
 * `labels.jsonl`, which is the truth. A picture lies where a change wants it before the line of that change is written, so
 * that nothing is ever recorded that cannot be stored; the line is on the disk before anything is acknowledged. What a
 * power cut leaves out of place is put right at the next start.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { checkLabelName } from '../../config/label-name.ts';
import type { Image } from '../../models/image.ts';
import { takeLock } from '../../models/lock.ts';
import { createAnnotationBook } from './annotations.ts';
import {
  deletePicture,
  emptyTrash,
  mend,
  moveBack,
  movePictures,
  placeOf,
  trashOf,
  writePicture,
} from './folders.ts';
import { frameId, type LabelledFrame, revisionOf } from './frame.ts';
import { type Change, openJournal, readJournal } from './journal.ts';
import type { Shape } from './shapes.ts';
import { apply, type Done, effectOf, emptyState, type State } from './state.ts';

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
  /** What is marked on it, and where that comes from; nothing leaves what is there already. */
  readonly marks?: { readonly shapes: readonly Shape[]; readonly source: string } | undefined;
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

export interface DatasetOptions {
  readonly onNotice: (text: string) => void;
  /** Labels that mean something although no frame has them yet: those that the config names. */
  readonly labels?: readonly string[] | undefined;
}

/**
 * Opens the dataset for writing and puts right what a power cut left.
 * @throws QcError dataset-busy
 */
export async function openDataset(
  storageDirectory: string,
  { onNotice, labels = [] }: DatasetOptions,
): Promise<Dataset> {
  const folder = resolve(storageDirectory, 'dataset');
  const file = join(folder, journalName);
  await mkdir(trashOf(folder), { recursive: true });
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
    return writer(folder, state, labels, {
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

/** Puts right what a power cut or an earlier version left, unless somebody is writing: then that one has done it. */
export async function mendDataset(storageDirectory: string, options: DatasetOptions): Promise<void> {
  if (!existsSync(join(storageDirectory, 'dataset', journalName))) return;
  try {
    await using _ = await openDataset(storageDirectory, options);
  } catch (error) {
    if (!(error instanceof QcError && error.code === 'dataset-busy')) throw error;
  }
}

interface Paper {
  append(change: Change): Promise<void>;
  close(): Promise<void>;
}

function writer(folder: string, state: State, labels: readonly string[], journal: Paper): Dataset {
  const annotations = createAnnotationBook(folder);
  let view: DatasetView | undefined;
  let last: Promise<unknown> = Promise.resolve();
  /** One change after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
  const now = () => new Date().toISOString();

  /**
   * Moves the pictures to where the change wants them, then writes it down.
   * @throws QcError dataset-write-failed, and everything is as it was
   */
  async function commit(change: Change): Promise<void> {
    const moves = Array.from(effectOf(state, change), ([id, entry]) => ({
      from: placeOf(folder, id, state.entries.get(id)),
      to: placeOf(folder, id, entry),
    })).filter(({ from, to }) => from !== to && change.kind !== 'label');
    await movePictures(moves);
    try {
      await journal.append(change);
    } catch (error) {
      await moveBack(moves);
      throw error;
    }
    view = undefined;
    apply(state, change);
  }

  /** @throws QcError label-invalid */
  const check = (label: string) => checkLabelName(label, [...labels, ...state.counts.keys()]);

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
        const label = check(frame.label);
        const id = frameId(frame.image);
        const before = state.entries.get(id);
        const { by, partId, camera, capturedAt, judged, marks, at = now() } = frame;
        if (marks && marks.shapes.length > 0) await annotations.put(id, marks.shapes, marks.source, now());
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
          await deletePicture(place);
          throw error;
        }
        return { id, outcome: 'added' as const };
      }),
    relabel: (ids, text, by) =>
      inTurn(async () => {
        const label = check(text);
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

function viewOf(folder: string, { entries, done }: State): DatasetView {
  const frames = Array.from(entries.values(), (entry) => ({
    ...entry,
    file: placeOf(folder, entry.id, entry),
  }));
  return { frames, revision: revisionOf(frames), last: done.at(-1)?.change };
}
