/** What the journal's changes add up to. Pure. */
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
  /** By id. */
  readonly entries: Map<string, Entry>;
  /** What can be taken back, oldest first. */
  readonly done: Done[];
}

export const emptyState = (): State => ({ entries: new Map(), done: [] });

/** Applies one change to the state. Ids that are not there are passed over. Returns the ids whose entry changed. */
export function apply({ entries, done }: State, change: Change): string[] {
  if (change.kind === 'undo') {
    const last = done.pop();
    for (const [id, entry] of last?.before ?? []) put(entries, id, entry);
    return last?.before.map(([id]) => id) ?? [];
  }
  const ids = 'ids' in change ? [...new Set(change.ids)].filter((id) => entries.has(id)) : [change.id];
  const before = ids.map((id) => [id, entries.get(id)] as const);
  for (const id of ids) put(entries, id, after(change, entries.get(id)));
  done.push({ change, before });
  if (done.length > mostUndone) done.shift();
  return ids;
}

function put(entries: State['entries'], id: string, entry: Entry | undefined): void {
  if (entry) entries.set(id, entry);
  else entries.delete(id);
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
