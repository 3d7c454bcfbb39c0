/** What people mark on labelled frames, as part of the changes of the journal: undoing a change brings the marks from before it back. */
import type { AnnotationBook } from './annotations.ts';
import type { LabelledFrame } from './frame.ts';
import type { Mark } from './shapes.ts';
import type { Undoable } from './view.ts';

/** What a person marks on a frame, in place of the points and boxes that it has. */
export interface Marking {
  readonly marks: readonly Mark[];
  /** Its polygons and masks, which cannot be drawn by hand. */
  readonly areas: 'keep' | 'remove';
}

/** @param nextChange the line of the journal that is written next: marks are stored before it */
export function createMarker(annotations: AnnotationBook, nextChange: () => number) {
  return {
    /** @param frame with the label that it gets @returns whether its marks are other ones now */
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
    /** The marks from before a change, of all its frames. */
    async restore({ ids, line }: Pick<Undoable, 'ids' | 'line'>, at: string): Promise<void> {
      for (const id of ids) {
        const shapes = await annotations.before(id, line);
        if (shapes) await annotations.put({ id, at, source: 'undo', shapes });
      }
    },
  };
}
