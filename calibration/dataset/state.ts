/** What the journal's changes add up to. Pure. */
import { whyUnstorable } from '../../config/label-name.ts';
import type { LabelledFrame } from './frame.ts';
import type { Change } from './journal.ts';

export type Entry = Omit<LabelledFrame, 'file'>;

/** Changes that can be taken back; what is older stands. */
const mostUndone = 200;

/** One change that stands, and what was there before. */
export interface Done {
  readonly change: Exclude<Change, { kind: 'undo' }>;
  readonly before: readonly (readonly [string, Entry | undefined])[];
}

export interface State {
  /** By id; changed only by `put`. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Frames of each label that has any. */
  readonly counts: ReadonlyMap<string, number>;
  /** What can be taken back, oldest first. */
  readonly done: Done[];
}

export const emptyState = (): State => ({ entries: new Map(), counts: new Map(), done: [] });

/**
 * What a change does to the entries that are there: id → entry afterwards, undefined for one that goes. Ids that are not
 * there are passed over, and so is a label that no folder can be named after, which earlier versions wrote down.
 */
export function effectOf({ entries, done }: State, change: Change): ReadonlyMap<string, Entry | undefined> {
  if (change.kind === 'undo') return new Map(done.at(-1)?.before);
  if (change.kind !== 'remove' && whyUnstorable(change.label) !== undefined) return new Map();
  const ids = 'ids' in change ? change.ids.filter((id) => entries.has(id)) : [change.id];
  return new Map(ids.map((id) => [id, after(change, entries.get(id))]));
}

/** Applies one change to the state. */
export function apply(state: State, change: Change): void {
  const { entries, done } = state;
  const effect = effectOf(state, change);
  if (change.kind === 'undo') done.pop();
  else {
    done.push({ change, before: Array.from(effect.keys(), (id) => [id, entries.get(id)] as const) });
    if (done.length > mostUndone) done.shift();
  }
  for (const [id, entry] of effect) put(state, id, entry);
}

/** Sets one entry, or deletes it. */
export function put(state: State, id: string, entry: Entry | undefined): void {
  const entries = state.entries as Map<string, Entry>;
  const counts = state.counts as Map<string, number>;
  const before = entries.get(id);
  if (before) {
    const left = counts.get(before.label)! - 1;
    if (left > 0) counts.set(before.label, left);
    else counts.delete(before.label);
  }
  if (entry) {
    entries.set(id, entry);
    counts.set(entry.label, (counts.get(entry.label) ?? 0) + 1);
  } else entries.delete(id);
}

function after(change: Done['change'], entry: Entry | undefined): Entry | undefined {
  const { at: labelledAt, by: labelledBy } = change;
  switch (change.kind) {
    case 'remove':
      return undefined;
    case 'relabel':
      return entry && { ...entry, label: change.label, labelledAt, labelledBy };
    case 'label': {
      const { id, label, partId, camera, capturedAt, judged } = change;
      return { ...entry, id, label, partId, camera, capturedAt, judged, labelledAt, labelledBy };
    }
  }
}

/** Pictures that an undo may bring back, or that a change which can be undone brought. */
export function undoable({ done }: State): Set<string> {
  return new Set(done.flatMap(({ before }) => before.map(([id]) => id)));
}
