/** The state that results from the changes of the journal. Pure. */
import { whyUnstorable } from '../../config/label-name.ts';
import type { LabelledFrame } from './frame.ts';
import { type Change, type JournalLine, newLabelOf } from './journal.ts';

export type Entry = Omit<LabelledFrame, 'file'>;

/** Number of changes that can be undone. */
const maxUndone = 200;

/** Author of a change: a person and the browser, because people may share a name. */
export interface Author {
  readonly by: string;
  readonly client?: string | undefined;
}

/** One effective change and the previous entries. */
export interface Done {
  /** Its line in the journal, from 1. */
  readonly line: number;
  readonly change: Exclude<Change, { kind: 'undo' }>;
  readonly before: readonly (readonly [string, Entry | undefined])[];
}

export interface State {
  /** By id; changed only by `put`. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Number of frames of each label with frames. */
  readonly counts: ReadonlyMap<string, number>;
  /** Changes that can be undone, oldest first. */
  readonly done: Done[];
  /** Labels that were renamed, merged or deleted; one with frames is in use again. */
  readonly retired: Set<string>;
}

export const emptyState = (): State => ({
  entries: new Map(),
  counts: new Map(),
  done: [],
  retired: new Set(),
});

/**
 * The effect of a change on existing entries: id → new entry, undefined for a removed one. Missing ids are skipped, and so
 * is a label that cannot be the name of a folder, which earlier versions recorded.
 */
export function effectOf(state: State, change: Change): ReadonlyMap<string, Entry | undefined> {
  const { entries } = state;
  if (change.kind === 'undo') return new Map(undoneBy(state, change)?.before);
  const label = newLabelOf(change);
  if (label !== undefined && whyUnstorable(label) !== undefined) return new Map();
  return new Map(idsOf(state, change).map((id) => [id, after(change, entries.get(id))]));
}

/** Applies one change to the state. */
export function apply(state: State, { line, change }: JournalLine): void {
  const { entries, done, retired } = state;
  const effect = effectOf(state, change);
  if (change.kind === 'undo') {
    const undone = undoneBy(state, change);
    if (undone) done.splice(done.indexOf(undone), 1);
  } else {
    done.push({ line, change, before: Array.from(effect.keys(), (id) => [id, entries.get(id)] as const) });
    if (done.length > maxUndone) done.shift();
    if (change.kind === 'rename') retired.add(change.from);
    if (change.kind === 'delete') retired.add(change.label);
  }
  for (const [id, entry] of effect) put(state, id, entry);
}

/** The newest effective change of an author. */
export function newestOf({ done }: State, { by, client }: Author): Done | undefined {
  return done.findLast(
    ({ change, before }) => before.length > 0 && change.by === by && change.client === client,
  );
}

/** The first later effective change to a frame of this change: undoing this one would revert it as well. */
export function overtaking({ done }: State, one: Done): Done | undefined {
  const ids = new Set(one.before.map(([id]) => id));
  return done.slice(done.indexOf(one) + 1).find(({ before }) => before.some(([id]) => ids.has(id)));
}

/** Images that an undo may restore, or that were added by a change that can be undone. */
export function undoable({ done }: State): Set<string> {
  return new Set(done.flatMap(({ before }) => before.map(([id]) => id)));
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

/** In journals of earlier versions, an undo does not name its change: it is the last effective one. */
function undoneBy({ done }: State, { line }: Extract<Change, { kind: 'undo' }>): Done | undefined {
  return line === undefined ? done.at(-1) : done.find((one) => one.line === line);
}

/** Existing ids that a change affects; for `label`, the new id. */
function idsOf({ entries }: State, change: Done['change']): string[] {
  switch (change.kind) {
    case 'label':
      return [change.id];
    case 'relabel':
    case 'remove':
      return change.ids.filter((id) => entries.has(id));
    case 'rename':
    case 'delete': {
      const label = change.kind === 'rename' ? change.from : change.label;
      return [...entries.values()].filter((entry) => entry.label === label).map(({ id }) => id);
    }
  }
}

function after(change: Done['change'], entry: Entry | undefined): Entry | undefined {
  const { at: labelledAt, by: labelledBy } = change;
  switch (change.kind) {
    case 'remove':
    case 'delete':
      return undefined;
    case 'relabel':
      return entry && { ...entry, label: change.label, labelledAt, labelledBy };
    case 'rename':
      // The author of the label does not change.
      return entry && { ...entry, label: change.to };
    case 'label': {
      const { id, label, partId, camera, capturedAt, judged } = change;
      return { ...entry, id, label, partId, camera, capturedAt, judged, labelledAt, labelledBy };
    }
  }
}
