/** What the user may change on a labelled frame that is shown large. */
import { user } from '../shared/user.js';

/** @import { Mark } from '../../../calibration/dataset/shapes.ts' */
/** @import { Tools } from './tools.js' */

/**
 * @typedef {object} FrameChanges each change returns whether it succeeded; a viewer has none of them
 * @property {(text: string) => void} announce
 * @property {(id: string, label: string) => Promise<boolean>} [relabel]
 * @property {(id: string, marks: Mark[], areas: 'keep' | 'remove') => Promise<boolean>} [mark]
 */

/** @param {Pick<Tools, 'changes' | 'toasts' | 'announce'>} tools @returns {FrameChanges} */
export function frameChanges({ changes, toasts, announce }) {
  if (!user.canChange) return { announce };
  /** @param {Promise<unknown>} change */
  const succeeds = (change) =>
    change.then(
      () => true,
      (error) => {
        toasts.error(error);
        return false;
      },
    );
  return {
    announce,
    relabel: (id, label) => succeeds(changes.relabel([id], label)),
    mark: (id, marks, areas) => succeeds(changes.mark(id, marks, areas)),
  };
}
