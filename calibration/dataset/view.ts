/** View of the dataset: its frames, and what each author can undo. Pure. */
import { placeOf } from './folders.ts';
import { type LabelledFrame, revisionOf } from './frame.ts';
import { type Author, type Done, newestOf, overtaking, type State } from './state.ts';

export interface DatasetView {
  /** sha256 over images and labels. */
  readonly revision: string;
  /** In order of arrival. */
  readonly frames: readonly LabelledFrame[];
  /** Number of frames of each label with frames. */
  readonly counts: ReadonlyMap<string, number>;
  /** Labels that were renamed, merged or deleted and have no frames. */
  readonly retired: ReadonlySet<string>;
  /** The change that `undo` would revert for this author; undefined if there is none. */
  undoable(author: Author): Undoable | undefined;
}

/** The last effective change of an author. */
export interface Undoable {
  /** Its line in the journal. */
  readonly line: number;
  readonly change: Done['change'];
  /** The frames that it changed. */
  readonly ids: readonly string[];
  /** The label that they had before, if it was the same for all. */
  readonly before: string | undefined;
  /** A later change of one of these frames by another user, which prevents an undo. */
  readonly overtakenBy: Done['change'] | undefined;
}

/** @param folder of the dataset */
export function viewOf(folder: string, state: State): DatasetView {
  const frames = Array.from(state.entries.values(), (entry) => ({
    ...entry,
    file: placeOf(folder, entry.id, entry),
  }));
  return {
    frames,
    revision: revisionOf(frames),
    counts: new Map(state.counts),
    retired: new Set([...state.retired].filter((label) => !state.counts.has(label))),
    undoable: (author) => undoableOf(state, author),
  };
}

function undoableOf(state: State, author: Author): Undoable | undefined {
  const last = newestOf(state, author);
  if (!last) return undefined;
  const { line, change, before } = last;
  const labels = new Set(before.map(([, entry]) => entry?.label));
  return {
    line,
    change,
    ids: before.map(([id]) => id),
    before: labels.size === 1 ? [...labels][0] : undefined,
    overtakenBy: overtaking(state, last)?.change,
  };
}
