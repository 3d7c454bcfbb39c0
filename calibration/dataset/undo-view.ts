/** Describes what undo would revert for an author. */
import type { UndoView } from '../views.ts';
import type { Author } from './state.ts';
import type { DatasetView, Undoable } from './view.ts';

/** Null if the author has no effective change. */
export function undoView(dataset: Pick<DatasetView, 'undoable' | 'frames'>, author: Author): UndoView | null {
  const last = dataset.undoable(author);
  if (!last) return null;
  const { change, line, overtakenBy } = last;
  return {
    change: line,
    words: inWords(last, dataset.frames),
    at: change.at,
    by: change.by,
    overtakenBy: overtakenBy?.by ?? null,
  };
}

/** A change in words: "scratch instead of good on part A-17". */
export function inWords({ change, ids, before }: Undoable, frames: DatasetView['frames']): string {
  const count = ids.length === 1 ? '1 frame' : `${ids.length} frames`;
  switch (change.kind) {
    case 'label':
      return `label ${change.label}${onPart(change)}`;
    case 'relabel': {
      // If the label is unchanged, the frame gets other marks.
      const what =
        before === change.label
          ? 'marks'
          : `label ${change.label}${before === undefined ? '' : ` instead of ${before}`}`;
      const one = ids.length === 1 ? frames.find(({ id }) => id === ids[0]) : undefined;
      return one ? `${what}${onPart(one)}` : `${what} on ${count}`;
    }
    case 'remove':
      return `removal of ${count}`;
    case 'rename':
      return `${change.from} renamed to ${change.to} (${count})`;
    case 'delete':
      return `label ${change.label} deleted (${count})`;
  }
}

interface OfPart {
  readonly partId?: string | undefined;
  readonly camera?: string | undefined;
  readonly capturedAt?: string | undefined;
}

/** The id of a part on the line: frames store it with camera and time. */
function onPart({ partId, camera, capturedAt }: OfPart): string {
  if (partId === undefined) return '';
  const [start, end] = [`${camera} `, ` ${capturedAt}`];
  const isWhole = partId.startsWith(start) && partId.endsWith(end);
  return ` on part ${isWhole ? partId.slice(start.length, -end.length) : partId}`;
}
