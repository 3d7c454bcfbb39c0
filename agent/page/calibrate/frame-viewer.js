/** Shows one labelled image large, with its heat map; arrow keys go to the previous and the next one. */
import { errorText, fetchImage, frameHeatMapPath, frameImagePath } from '../shared/api-client.js';
import { openDialog } from '../shared/dialog.js';
import { closest, h, setText } from '../shared/dom.js';
import { timeOf } from '../shared/format.js';
import { createImageBox, heatMapButton } from './image-box.js';
import { createLabelButtons } from './label-buttons.js';

/** @import { Frame } from './gallery-parts.js' */
/** @import { Label } from './overview.js' */

/** @typedef {{id: string, text?: string | undefined} & Partial<Frame>} ViewedFrame text: a title; default: the label */

/**
 * @param {ViewedFrame[]} frames
 * @param {number} index which of them is shown first
 * @param {{labels: readonly Label[], relabel?: (id: string, label: string) => Promise<boolean>}} options
 * relabel: returns whether it succeeded; without it the labels cannot be changed
 */
export async function openFrameViewer(frames, index, { labels, relabel }) {
  const title = h('h2', {});
  const facts = h('p', { class: 'hint' });
  const imageFrame = h('div', { class: 'look-frame' });
  const why = heatMapButton();
  const box = createImageBox(imageFrame, why);
  /** @param {number} by */
  const step = (by) => {
    index = Math.min(frames.length - 1, Math.max(0, index + by));
    void draw();
  };
  const previous = h('button', { class: 'button', type: 'button', onclick: () => step(-1) }, '← Previous');
  const next = h('button', { class: 'button', type: 'button', onclick: () => step(1) }, 'Next →');
  /** @param {string} label */
  const pick = async (label) => {
    const one = frames[index];
    if (!one) return;
    const own = index;
    if (!(await relabel?.(one.id, label))) return;
    frames[own] = { ...one, label, text: undefined };
    // Another image may be shown by now.
    if (index === own) drawText();
  };
  const buttons = relabel && createLabelButtons({ onPick: pick });
  buttons?.show(labels);

  const drawText = () => {
    const { id = '', label, text, labelledBy, labelledAt, partId, camera } = frames[index] ?? {};
    setText(title, text ?? (label === undefined ? 'Frame' : `Labelled ${label}`));
    const by = labelledBy && `by ${labelledBy}, ${timeOf(labelledAt)}`;
    setText(facts, [by, camera, partId, id.slice(0, 12)].filter(Boolean).join(' · '));
    previous.disabled = index === 0;
    next.disabled = index === frames.length - 1;
  };
  const draw = async () => {
    const id = frames[index]?.id;
    if (id === undefined) return;
    const isShown = () => frames[index]?.id === id;
    drawText();
    box.showText(h('p', {}, 'Loading the image …'));
    try {
      const image = await fetchImage(frameImagePath(id));
      if (isShown()) box.show(image, title.textContent ?? '', frameHeatMapPath(id));
    } catch (error) {
      if (isShown()) box.showText(h('p', {}, errorText(error)));
    }
  };
  /** @param {KeyboardEvent} event */
  const onkeydown = (event) => {
    if (closest(event, 'input') || event.ctrlKey || event.altKey || event.metaKey) return;
    const label = buttons?.labelOf(event);
    if (label !== undefined && !event.repeat) void pick(label);
    else if (event.key === 'ArrowLeft') step(-1);
    else if (event.key === 'ArrowRight') step(1);
    else if (event.key.toLowerCase() === 'w') void box.toggleHeatMap();
    else if (event.key.toLowerCase() === 'n') buttons?.focusField();
    else return;
    event.preventDefault();
  };
  const { dialog, closed } = openDialog(
    { class: 'dialog viewer', 'aria-label': 'Frame', onkeydown },
    h(
      'div',
      { class: 'viewer-head' },
      h('div', {}, title, facts),
      h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Close'),
    ),
    h(
      'div',
      { class: 'viewer-body' },
      imageFrame,
      h(
        'div',
        { class: 'viewer-side' },
        h('div', { class: 'viewer-steps' }, previous, next, why),
        buttons?.element,
      ),
    ),
  );
  void draw();
  await closed;
}
