/** Shows one labelled image large, with its marks and its heat map; arrow keys go to the previous and the next one. */
import {
  errorText,
  fetchImage,
  frameHeatMapPath,
  frameImagePath,
  frameMarksPath,
  get,
} from '../shared/api-client.js';
import { openDialog } from '../shared/dialog.js';
import { closest, h, setText } from '../shared/dom.js';
import { listed, timeOf } from '../shared/format.js';
import { t, tn } from '../shared/language.js';
import { createImageBox, heatMapButton } from './image-box.js';
import { createLabelButtons } from './label-buttons.js';
import { createMarksLayer } from './marks-layer.js';

/** @import { Mark } from '../../../calibration/dataset/shapes.ts' */
/** @import { MarksView } from '../../../calibration/views.ts' */
/** @import { FrameChanges } from './frame-changes.js' */
/** @import { Frame } from './gallery-parts.js' */
/** @import { Label } from './overview.js' */

/** @typedef {{id: string, text?: string | undefined} & Partial<Frame>} ViewedFrame text: a title; default: the label */

/**
 * @param {ViewedFrame[]} frames
 * @param {number} index which of them is shown first
 * @param {{labels: readonly Label[], isMarking?: boolean} & Partial<FrameChanges>} options without the changes, nothing can be changed
 */
export async function openFrameViewer(frames, index, options) {
  const { labels, relabel, mark, announce = () => {} } = options;
  const title = h('h2', {});
  const facts = h('p', { class: 'hint' });
  const imageFrame = h('div', { class: 'look-frame on-image' });
  const why = heatMapButton();
  /** @type {MarksView['areas']} */
  let areas = [];
  let { isMarking = false } = options;
  const layer = createMarksLayer({ onChange: (marks) => void save(marks, 'keep'), announce });
  layer.enable(isMarking);
  const box = createImageBox(imageFrame, why, layer);
  /** @param {boolean} value */
  const setMarking = (value) => {
    isMarking = value;
    layer.enable(value);
    marking.setAttribute('aria-pressed', String(value));
    drawMarking();
  };
  const marking = h(
    'button',
    {
      class: 'button',
      type: 'button',
      'aria-pressed': String(isMarking),
      onclick: () => setMarking(!isMarking),
    },
    h('kbd', { 'aria-hidden': 'true' }, 'M'),
    ` ${t('Mark defects')}`,
  );
  const clear = h(
    'button',
    { class: 'button', type: 'button', onclick: () => removeAll() },
    t('Remove all marks'),
  );
  const marksText = h('p', { class: 'hint', role: 'status' });
  const removeAll = () => {
    if (areas.length > 0) void save([], 'remove');
    else layer.clear();
    // The button that had the focus is hidden now.
    marking.focus();
  };
  /** @param {Mark[]} marks @param {'keep' | 'remove'} keepAreas */
  const save = async (marks, keepAreas) => {
    const id = frames[index]?.id;
    if (id === undefined || !mark) return;
    if (keepAreas === 'remove') {
      areas = [];
      showMarks(marks);
    }
    drawMarking();
    // What could not be saved is not shown.
    if (!(await mark(id, marks, keepAreas)) && frames[index]?.id === id) await loadMarks(id);
  };
  /** @param {readonly Mark[]} marks */
  const showMarks = (marks) => {
    const { naturalWidth: width = 1, naturalHeight: height = 1 } = box.image ?? {};
    layer.show({ width, height }, marks, areas);
  };
  /** @param {string} id */
  const loadMarks = async (id) => {
    /** @type {MarksView} */
    const found = await get(frameMarksPath(id));
    if (frames[index]?.id !== id) return;
    areas = found.areas;
    showMarks(found.marks.map(withoutLabel));
    drawMarking();
  };
  const drawMarking = () => {
    const count = layer.marks.length + areas.length;
    const isGood = labels.some(({ name, good }) => good && name === frames[index]?.label);
    // A good part has no defect; only marks that are there already can be removed.
    marking.hidden = !mark || (isGood && count === 0);
    clear.hidden = !mark || !isMarking || count === 0;
    setText(marksText, marksTextOf(layer.marks.length, areas.length, isMarking));
  };
  /** @param {number} by */
  const step = (by) => {
    index = Math.min(frames.length - 1, Math.max(0, index + by));
    void draw();
  };
  const previous = h('button', { class: 'button', type: 'button', onclick: () => step(-1) }, t('← Previous'));
  const next = h('button', { class: 'button', type: 'button', onclick: () => step(1) }, t('Next →'));
  /** @param {string} label */
  const pick = async (label) => {
    const one = frames[index];
    if (!one) return;
    const own = index;
    if (!(await relabel?.(one.id, label))) return;
    frames[own] = { ...one, label, text: undefined };
    // Another image may be shown by now.
    if (index === own) {
      drawText();
      drawMarking();
    }
  };
  const buttons = relabel && createLabelButtons({ onPick: pick });
  buttons?.show(labels);

  const drawText = () => {
    const { id = '', label, text, labelledBy, labelledAt, partId, camera } = frames[index] ?? {};
    setText(title, text ?? (label === undefined ? t('Frame') : t('Labelled {label}', { label })));
    const by = labelledBy && t('by {name}, {time}', { name: labelledBy, time: timeOf(labelledAt) });
    setText(facts, listed(by, camera, partId, id.slice(0, 12)));
    previous.disabled = index === 0;
    next.disabled = index === frames.length - 1;
  };
  const draw = async () => {
    const id = frames[index]?.id;
    if (id === undefined) return;
    const isShown = () => frames[index]?.id === id;
    drawText();
    box.showText(h('p', {}, t('Loading the image …')));
    areas = [];
    layer.show({ width: 1, height: 1 });
    drawMarking();
    try {
      const image = await fetchImage(frameImagePath(id));
      if (!isShown()) return;
      box.show(image, title.textContent ?? '', frameHeatMapPath(id));
      await loadMarks(id);
    } catch (error) {
      if (isShown()) box.showText(h('p', {}, errorText(error)));
    }
  };
  /** @param {KeyboardEvent} event */
  const onkeydown = (event) => {
    if (closest(event, 'input') || event.ctrlKey || event.altKey || event.metaKey) return;
    const isButton = closest(event, 'button') && event.key === 'Enter';
    if (isMarking && box.image && !isButton && layer.onKey(event)) {
      event.preventDefault();
      return;
    }
    const label = buttons?.labelOf(event);
    if (label !== undefined && !event.repeat) void pick(label);
    else if (event.key === 'ArrowLeft') step(-1);
    else if (event.key === 'ArrowRight') step(1);
    else if (event.key.toLowerCase() === 'w') void box.toggleHeatMap();
    else if (event.key.toLowerCase() === 'n') buttons?.focusField();
    else if (event.key.toLowerCase() === 'f') buttons?.focusSearch();
    else if (event.key.toLowerCase() === 'm' && !marking.hidden) setMarking(!isMarking);
    else if (event.key.toLowerCase() === 'z' && isMarking) layer.undo();
    else return;
    event.preventDefault();
  };
  const { dialog, closed } = openDialog(
    { class: 'dialog viewer', 'aria-label': t('Frame'), onkeydown },
    h(
      'div',
      { class: 'viewer-head' },
      h('div', {}, title, facts),
      h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, t('Close')),
    ),
    h(
      'div',
      { class: 'viewer-body' },
      imageFrame,
      h(
        'div',
        { class: 'viewer-side' },
        h('div', { class: 'viewer-steps' }, previous, next, marking, why),
        marksText,
        clear,
        buttons?.element,
      ),
    ),
  );
  void draw();
  await closed;
}

/** @param {MarksView['marks'][number]} mark @returns {Mark} */
const withoutLabel = ({ label: _, ...mark }) => mark;

/** @param {number} marks @param {number} areas @param {boolean} isMarking */
function marksTextOf(marks, areas, isMarking) {
  const imported = areas > 0 ? tn('{n} imported area.', '{n} imported areas.', areas) : '';
  const own = isMarking
    ? t('Tap a defect, or drag a box around it. Tap a mark to remove it.')
    : marks > 0
      ? tn('{n} mark.', '{n} marks.', marks)
      : '';
  return `${imported} ${own}`.trim();
}
