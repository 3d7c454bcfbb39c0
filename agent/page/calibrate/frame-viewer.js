/** One labelled frame, big, with its heat map; neighbours by arrow keys. */
import { ApiError, fetchPicture, framePicture, frameWhy } from '../shared/api-client.js';
import { openDialog } from '../shared/dialog.js';
import { h, setText } from '../shared/dom.js';
import { createPictureBox } from './image-box.js';
import { createLabelButtons } from './label-buttons.js';
import { timeOf } from './rates.js';

/**
 * @param {{id: string, label?: string, words?: string, labelledBy?: string, labelledAt?: string}[]} frames
 * @param {number} index the one to begin with
 * @param {{labels: object[], relabel?: (id: string, label: string) => Promise<unknown>}} options
 */
export async function openFrameViewer(frames, index, { labels, relabel }) {
  const close = () => dialog.close();
  const title = h('h2', {});
  const facts = h('p', { class: 'hint' });
  const frame = h('div', { class: 'look-frame' });
  const why = h(
    'button',
    { class: 'button', type: 'button', 'aria-pressed': 'false' },
    h('kbd', {}, 'W'),
    ' Show why',
  );
  const box = createPictureBox(frame, why);
  why.addEventListener('click', box.toggleWhy);
  const step = (by) => {
    index = Math.min(frames.length - 1, Math.max(0, index + by));
    void draw();
  };
  const before = h('button', { class: 'button', type: 'button', onclick: () => step(-1) }, '← Before');
  const after = h('button', { class: 'button', type: 'button', onclick: () => step(1) }, 'Next →');
  const pick = async (label) => {
    const one = frames[index];
    await relabel(one.id, label);
    frames[index] = { ...one, label, words: undefined };
    // Meanwhile another may be shown.
    if (frames[index].id === one.id) drawWords();
  };
  const buttons = relabel && createLabelButtons({ onPick: pick });
  buttons?.show(labels);

  const drawWords = () => {
    const { id, label, words, labelledBy, labelledAt, partId, camera } = frames[index];
    setText(title, words ?? (label === undefined ? 'Frame' : `Labelled ${label}`));
    const by = labelledBy && `by ${labelledBy}, ${timeOf(labelledAt)}`;
    setText(facts, [by, camera, partId, id.slice(0, 12)].filter(Boolean).join(' · '));
    before.disabled = index === 0;
    after.disabled = index === frames.length - 1;
  };
  const draw = async () => {
    const { id } = frames[index];
    drawWords();
    box.say(h('p', {}, 'The picture is on its way …'));
    try {
      const image = await fetchPicture(framePicture(id));
      if (frames[index].id === id) box.show(image, title.textContent, frameWhy(id));
    } catch (error) {
      if (frames[index].id === id)
        box.say(h('p', {}, error instanceof ApiError ? error.words : String(error)));
    }
  };
  const onkeydown = (event) => {
    if (event.target.closest('input') || event.ctrlKey || event.altKey || event.metaKey) return;
    const label = buttons?.labelOf(event);
    if (label !== undefined && !event.repeat) void pick(label);
    else if (event.key === 'ArrowLeft') step(-1);
    else if (event.key === 'ArrowRight') step(1);
    else if (event.key.toLowerCase() === 'w') void box.toggleWhy();
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
      h('button', { class: 'button', type: 'button', onclick: close }, 'Close'),
    ),
    frame,
    h('div', { class: 'viewer-steps' }, before, why, after),
    buttons?.element,
  );
  void draw();
  await closed;
}
