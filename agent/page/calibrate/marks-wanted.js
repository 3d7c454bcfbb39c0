/** Below the Label tab: labelled defects that a mark would help most. A tap opens one of them for marking. */
import { frameThumbnailPath, get } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { percentOf } from '../shared/format.js';
import { t, tn } from '../shared/language.js';
import { user } from '../shared/user.js';
import { frameChanges } from './frame-changes.js';
import { openFrameViewer } from './frame-viewer.js';

/** @import { MarksWanted } from '../../../calibration/views.ts' */
/** @import { Tools } from './tools.js' */

/** @param {Tools} tools */
export function createMarksWanted({ overview, changes, toasts, announce }) {
  const panel = byId('marks-wanted');
  /** The state for which the list was loaded. @type {string | undefined} */
  let loadedFor;

  const load = async () => {
    const { value } = overview;
    // Marks alone do not change the revision, but they can be undone.
    const key = `${value?.revision} ${value?.candidate} ${value?.active} ${value?.undo?.change}`;
    if (!user.canChange || key === loadedFor) return;
    loadedFor = key;
    try {
      /** @type {MarksWanted} */
      const { frames } = await get('api/v1/dataset/marks-wanted');
      draw(frames);
    } catch {
      // The list is optional: the page works without it, and it is requested again at the next change of the overview.
      loadedFor = undefined;
      panel.hidden = true;
    }
  };
  /** @param {MarksWanted['frames']} frames */
  const draw = (frames) => {
    panel.hidden = frames.length === 0;
    setText(
      byId('marks-wanted-text'),
      tn(
        'Mark the defect on this image: it improves training most',
        'Mark the defects on these {n} images: they improve training most',
        frames.length,
      ),
    );
    const viewed = frames.map(({ id, label, said, probability }) => ({
      id,
      text:
        said === label
          ? t('{label}, recognised with only {share}', { label, share: percentOf(probability, 0) })
          : t('Labelled {label}, predicted {predicted}', { label, predicted: said }),
    }));
    /** @param {number} index */
    const open = (index) =>
      openFrameViewer(viewed, index, {
        labels: overview.value?.labels ?? [],
        ...frameChanges({ changes, toasts, announce }),
        isMarking: true,
      });
    byId('marks-wanted-frames').replaceChildren(
      ...viewed.map(({ id, text }, index) =>
        h(
          'li',
          {},
          h(
            'button',
            { class: 'mini', type: 'button', onclick: () => open(index) },
            h('img', { src: frameThumbnailPath(id), alt: '', loading: 'lazy', width: 132, height: 104 }),
            h('span', { class: 'mini-words' }, text),
          ),
        ),
      ),
    );
  };
  return { load };
}
