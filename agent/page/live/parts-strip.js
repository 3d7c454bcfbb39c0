/** The latest parts as thumbnails, newest first. */
import { evidenceImagePath } from '../shared/api-client.js';
import { copyOf, find } from '../shared/dom.js';
import { clockOf, listed } from '../shared/format.js';
import { t } from '../shared/language.js';
import { labelOf, verdictWords } from '../shared/verdicts.js';

/** @import { Result } from '../../publish/messages.ts' */

const maxParts = 24;
/** Parts that arrive within this time are added together, so that a fast line stays readable, ms. */
const intervalMs = 250;

/** @param {HTMLElement} list @param {HTMLTemplateElement} template @param {HTMLElement} empty shown while there is no part */
export function createPartsStrip(list, template, empty) {
  /** @type {Result[]} */
  let pending = [];
  let isScheduled = false;

  const draw = () => {
    isScheduled = false;
    for (const result of pending) list.prepend(thumbnail(result, template));
    pending = [];
    while (list.childElementCount > maxParts) list.lastElementChild?.remove();
    empty.hidden = list.childElementCount > 0;
  };

  return {
    /** @param {Result} result newer than all before */
    add(result) {
      pending.push(result);
      if (pending.length > maxParts) pending.shift();
      if (isScheduled) return;
      isScheduled = true;
      setTimeout(draw, intervalMs);
    },
    clear() {
      pending = [];
      list.replaceChildren();
    },
  };
}

/** @param {Result} result @param {HTMLTemplateElement} template */
function thumbnail(result, template) {
  const { resultId, camera, partId, verdict, votes, capturedAt } = result;
  const item = copyOf(template);
  const link = find(item, '.thumb', HTMLAnchorElement);
  const { word, symbol } = verdictWords[verdict];
  const time = clockOf(capturedAt);
  link.dataset.verdict = verdict;
  link.setAttribute(
    'aria-label',
    t('{verdict}: {label}, part {part}, {time}', {
      verdict: word,
      label: labelOf(result),
      part: partId,
      time,
    }),
  );
  link.title = listed(camera, partId, time);
  find(item, '.thumb-symbol').textContent = symbol;
  find(item, '.thumb-label').textContent = labelOf(result);
  const image = find(item, 'img', HTMLImageElement);
  image.addEventListener('error', () => image.remove());
  if (votes.frames === 0) {
    link.removeAttribute('href');
    image.remove();
    return item;
  }
  link.href = evidenceImagePath(resultId);
  image.src = evidenceImagePath(resultId);
  const correct = find(item, '.thumb-correct', HTMLAnchorElement);
  correct.href = `calibrate.html#label/${resultId}`;
  correct.setAttribute('aria-label', t('Wrong? Fix it: part {part}', { part: partId }));
  correct.hidden = false;
  return item;
}
