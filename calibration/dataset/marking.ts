/** Marks on labelled frames as part of the changes of the journal: undoing a change restores the previous marks. */
import type { AnnotationBook } from './annotations.ts';
import type { LabelledFrame } from './frame.ts';
import type { Mark } from './shapes.ts';
import type { Undoable } from './view.ts';

/** Marks by a person, which replace the points and boxes of a frame. */
export interface Marking {
  readonly marks: readonly Mark[];
  /** Whether to keep its polygons and masks, which cannot be drawn on the page. */
  readonly areas: 'keep' | 'remove';
}

/** @param nextChange the next line of the journal: marks are stored before it */
export function createMarker(annotations: AnnotationBook, nextChange: () => number) {
  return {
    /** @param frame with its new label @returns whether its marks have changed */
    async mark(
      { id, label }: Pick<LabelledFrame, 'id' | 'label'>,
      { marks, areas }: Marking,
      at: string,
    ): Promise<boolean> {
      const before = (await annotations.read(id))?.shapes ?? [];
      const kept = areas === 'keep' ? before.filter(({ kind }) => kind === 'polygon' || kind === 'mask') : [];
      const shapes = [...kept, ...marks.map((one) => ({ ...one, label }))];
      return annotations.put({ id, change: nextChange(), at, source: 'marked by a person', shapes });
    },
    /** Restores the marks of all frames of a change. */
    async restore({ ids, line }: Pick<Undoable, 'ids' | 'line'>, at: string): Promise<void> {
      for (const id of ids) {
        const shapes = await annotations.before(id, line);
        if (shapes) await annotations.put({ id, at, source: 'undo', shapes });
      }
    },
  };
}
