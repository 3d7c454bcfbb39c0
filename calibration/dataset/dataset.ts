/**
 * Labelled frames on disk: `<storage>/dataset/<label>/<id>.png`, an ImageFolder for any training tool, and `labels.jsonl`,
 * which is authoritative. An image is moved to its new place before the line of the change is written, so that only changes
 * that could be stored are recorded. The line is on the disk before the change is acknowledged. Images left in a wrong
 * place by a power cut are moved at the next start.
 */
import { existsSync } from 'node:fs';

import { join, resolve } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { checkLabelName } from '../../config/label-name.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { takeLock } from '../../models/disk/lock.ts';
import type { Image } from '../../models/image.ts';
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
import { frameId, type LabelledFrame } from './frame.ts';
import { type Change, type JournalLine, openJournal, readJournal } from './journal.ts';
import { createMarker, type Marking } from './marking.ts';
import type { Shape } from './shapes.ts';
import { type Author, apply, effectOf, emptyState, type State } from './state.ts';
import { type DatasetView, type Undoable, viewOf } from './view.ts';

export interface NewFrame extends Author {
  readonly image: Image;
  readonly label: string;
  readonly partId?: string | undefined;
  readonly camera?: string | undefined;
  /** ISO 8601 */
  readonly capturedAt?: string | undefined;
  readonly judged?: LabelledFrame['judged'];
  /** When it was labelled, if not now (import); ISO 8601. */
  readonly at?: string | undefined;
  /** Imported marks and their source; an empty list keeps existing marks. */
  readonly marks?: { readonly shapes: readonly Shape[]; readonly source: string } | undefined;
  /** Marks by the author. */
  readonly marking?: Marking | undefined;
}

/** `same`: the image already had this label and these marks; `marked`: only its marks are new. */
export type Outcome = 'added' | 'relabelled' | 'marked' | 'same';

export interface Dataset extends DatasetView, AsyncDisposable {
  /** @throws QcError label-invalid, dataset-write-failed */
  add(frame: NewFrame): Promise<{ readonly id: string; readonly outcome: Outcome }>;
  /**
   * Another label, other marks, or both, as one change.
   * @throws QcError frame-unknown, label-invalid, dataset-write-failed
   */
  correct(
    id: string,
    to: { readonly label: string; readonly marking?: Marking | undefined },
    author: Author,
  ): Promise<Exclude<Outcome, 'added'>>;
  /**
   * Frames that already have the label are not changed. @throws QcError frame-unknown, label-invalid, dataset-write-failed
   */
  relabel(ids: readonly string[], label: string, author: Author): Promise<void>;
  /** @throws QcError frame-unknown, dataset-write-failed */
  remove(ids: readonly string[], author: Author): Promise<void>;
  /**
   * Gives all frames of a label another one: a new one (`rename`), or one in use (`merge`). Returns their number.
   * @throws QcError label-unknown, label-exists, label-invalid, dataset-write-failed
   */
  rename(from: string, to: string, author: Author): Promise<number>;
  merge(from: string, to: string, author: Author): Promise<number>;
  /** Removes all frames of a label. Returns their number. @throws QcError label-unknown, dataset-write-failed */
  deleteLabel(label: string, author: Author): Promise<number>;
  /**
   * Undoes the last change of this author among the newest 200 effective ones.
   * @param line the change to undo; default: the last one
   * @throws QcError nothing-to-undo, undo-overtaken, dataset-write-failed
   */
  undo(author: Author, line?: number): Promise<Undoable>;
}

const journalName = 'labels.jsonl';

/** Reads the dataset without taking the lock or repairing anything. */
export async function readDataset(
  storageDirectory: string,
  onNotice: (text: string) => void,
): Promise<DatasetView> {
  const folder = resolve(storageDirectory, 'dataset');
  const state = emptyState();
  for (const one of (await readJournal(join(folder, journalName), onNotice)).changes) apply(state, one);
  return viewOf(folder, state);
}

export interface DatasetOptions {
  readonly onNotice: (text: string) => void;
  /** Labels that are in use although no frame has them yet: those in the configuration. */
  readonly labels?: readonly string[] | undefined;
}

/**
 * Opens the dataset for writing and repairs the effects of a power cut.
 * @throws QcError dataset-busy
 */
export async function openDataset(
  storageDirectory: string,
  { onNotice, labels = [] }: DatasetOptions,
): Promise<Dataset> {
  const folder = resolve(storageDirectory, 'dataset');
  const file = join(folder, journalName);
  await makeFolders(trashOf(folder));
  const lock = await takeLock(join(folder, '.lock'), {
    code: 'dataset-busy',
    does: 'is writing to the dataset',
  });
  try {
    const { changes, ...end } = await readJournal(file, onNotice);
    const state = emptyState();
    for (const one of changes) apply(state, one);
    await mend(folder, state, onNotice);
    const journal = await openJournal(file, end);
    return writer(folder, state, labels, {
      next: () => journal.next(),
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

/**
 * Repairs the effects of a power cut or an earlier version, unless another process is writing: then that process has done
 * it.
 */
export async function mendDataset(storageDirectory: string, options: DatasetOptions): Promise<void> {
  if (!existsSync(join(storageDirectory, 'dataset', journalName))) return;
  try {
    await using _ = await openDataset(storageDirectory, options);
  } catch (error) {
    if (!(error instanceof QcError && error.code === 'dataset-busy')) throw error;
  }
}

interface Paper {
  next(): number;
  append(change: Change): Promise<JournalLine>;
  close(): Promise<void>;
}

function writer(folder: string, state: State, labels: readonly string[], journal: Paper): Dataset {
  const annotations = createAnnotationBook(folder);
  const marker = createMarker(annotations, () => journal.next());
  let view: DatasetView | undefined;
  let last: Promise<unknown> = Promise.resolve();
  /** Changes are sequential. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
  /**
   * Moves the images of a change to their new places, then records the change.
   * @throws QcError dataset-write-failed, then nothing was changed
   */
  async function commit(change: Change): Promise<void> {
    const moves = Array.from(effectOf(state, change), ([id, entry]) => ({
      from: placeOf(folder, id, state.entries.get(id)),
      to: placeOf(folder, id, entry),
    })).filter(({ from, to }) => from !== to && change.kind !== 'label');
    await movePictures(moves);
    let written: JournalLine;
    try {
      written = await journal.append(change);
    } catch (error) {
      await moveBack(moves);
      throw error;
    }
    view = undefined;
    apply(state, written);
    // The change is effective even if the trash cannot be emptied now.
    if (change.kind !== 'label' && change.kind !== 'relabel') {
      await emptyTrash(folder, state).catch(() => undefined);
    }
  }

  /** @throws QcError label-invalid. @param gone a label that no frame will have */
  const check = (label: string, gone?: string) =>
    checkLabelName(
      label,
      [...labels, ...state.counts.keys()].filter((one) => one !== gone),
    );

  function known(ids: readonly string[]): string[] {
    const unknown = ids.find((id) => !state.entries.has(id));
    if (unknown !== undefined) throw new QcError('frame-unknown', `there is no frame ${unknown}`);
    return [...ids];
  }

  /** @throws QcError label-unknown */
  function framesOf(label: string): number {
    const count = state.counts.get(label);
    if (count === undefined) throw new QcError('label-unknown', `no frame has the label "${label}"`);
    return count;
  }

  async function renameTo(from: string, to: string, author: Author): Promise<number> {
    const count = framesOf(from);
    if (from !== to) await commit({ ...stamp(author), kind: 'rename', from, to });
    return count;
  }

  async function correct(id: string, label: string, marking: Marking | undefined, common: Stamp) {
    const before = state.entries.get(id)!.label;
    const isMarked = marking ? await marker.mark({ id, label }, marking, common.at) : false;
    if (before === label && !isMarked) return 'same';
    await commit({ ...common, kind: 'relabel', ids: [id], label });
    return before === label ? 'marked' : 'relabelled';
  }

  const now = () => (view ??= viewOf(folder, state));
  return {
    get revision() {
      return now().revision;
    },
    get frames() {
      return now().frames;
    },
    get counts() {
      return now().counts;
    },
    get retired() {
      return now().retired;
    },
    undoable: (author) => now().undoable(author),
    add: (frame) =>
      inTurn(async () => {
        const label = check(frame.label);
        const id = frameId(frame.image);
        const before = state.entries.get(id);
        const { partId, camera, capturedAt, judged, marks, marking, at } = frame;
        const common = { ...stamp(frame), ...(at && { at }) };
        if (marks && marks.shapes.length > 0) await annotations.put({ id, at: common.at, ...marks });
        if (before) return { id, outcome: await correct(id, label, marking, common) };
        // Marks of an earlier, removed frame with the same pixels do not belong to this one.
        if (marking || !marks?.shapes.length)
          await marker.mark({ id, label }, marking ?? { marks: [], areas: 'remove' }, common.at);
        const place = placeOf(folder, id, { label });
        await writePicture(place, frame.image);
        try {
          await commit({ ...common, kind: 'label', id, label, partId, camera, capturedAt, judged });
        } catch (error) {
          await deletePicture(place);
          throw error;
        }
        return { id, outcome: 'added' as const };
      }),
    correct: (id, to, author) =>
      inTurn(async () => {
        known([id]);
        return correct(id, check(to.label), to.marking, stamp(author));
      }),
    relabel: (ids, text, author) =>
      inTurn(async () => {
        const label = check(text);
        const others = known(ids).filter((id) => state.entries.get(id)!.label !== label);
        if (others.length > 0) await commit({ ...stamp(author), kind: 'relabel', ids: others, label });
      }),
    remove: (ids, author) =>
      inTurn(async () => {
        if (ids.length > 0) await commit({ ...stamp(author), kind: 'remove', ids: known(ids) });
      }),
    rename: (from, text, author) =>
      inTurn(async () => {
        framesOf(from);
        const to = check(text, from);
        if (to !== from && state.counts.has(to)) {
          throw new QcError('label-exists', `${state.counts.get(to)} frames have the label "${to}" already`);
        }
        return renameTo(from, to, author);
      }),
    merge: (from, to, author) =>
      inTurn(async () => {
        framesOf(to);
        return renameTo(from, to, author);
      }),
    deleteLabel: (label, author) =>
      inTurn(async () => {
        const count = framesOf(label);
        await commit({ ...stamp(author), kind: 'delete', label });
        return count;
      }),
    undo: (author, line) =>
      inTurn(async () => {
        const last = now().undoable(author);
        if (!last) throw new QcError('nothing-to-undo', 'you have made no change that can be undone');
        if (line !== undefined && line !== last.line) {
          throw new QcError('undo-overtaken', 'you have made another change since');
        }
        if (last.overtakenBy) {
          const { by, at } = last.overtakenBy;
          throw new QcError('undo-overtaken', `${by} has changed it since, at ${at}: nothing was undone`);
        }
        const common = stamp(author);
        await marker.restore(last, common.at);
        await commit({ ...common, kind: 'undo', line: last.line });
        return last;
      }),
    [Symbol.asyncDispose]: () => inTurn(() => journal.close()),
  };
}

type Stamp = ReturnType<typeof stamp>;

/** Common fields of every change. */
const stamp = ({ by, client }: Author) => ({
  schema: 1 as const,
  at: new Date().toISOString(),
  by,
  ...(client !== undefined && { client }),
});
