/** The latest parts, newest first. */
import { labelOf, verdictWords } from '../shared/verdicts.js';

const kept = 24;
/** New parts are added together this often, so that a fast line does not make the strip a blur, ms. */
const everyMs = 250;

/** @param {HTMLElement} list @param {HTMLTemplateElement} template @param {HTMLElement} empty */
export function createPartsStrip(list, template, empty) {
  let waiting = [];
  let isWaiting = false;

  const draw = () => {
    isWaiting = false;
    for (const result of waiting) {
      const item = template.content.firstElementChild.cloneNode(true);
      const link = item.querySelector('.thumb');
      const { word, symbol } = verdictWords[result.verdict];
      const picture = `api/v1/evidence/${result.resultId}.jpg`;
      link.dataset.verdict = result.verdict;
      const time = new Date(result.capturedAt).toLocaleTimeString();
      link.setAttribute('aria-label', `${word}: ${labelOf(result)}, part ${result.partId}, ${time}`);
      link.title = `${result.camera} · ${result.partId} · ${time}`;
      item.querySelector('.thumb-symbol').textContent = symbol;
      item.querySelector('.thumb-label').textContent = labelOf(result);
      const image = item.querySelector('img');
      image.addEventListener('error', () => image.remove());
      if (result.votes.frames === 0) {
        link.removeAttribute('href');
        image.remove();
      } else {
        link.href = picture;
        const correct = item.querySelector('.thumb-correct');
        correct.href = `calibrate.html#label/${result.resultId}`;
        correct.setAttribute('aria-label', `Correct the label of part ${result.partId}`);
        correct.hidden = false;
        image.src = picture;
      }
      list.prepend(item);
    }
    waiting = [];
    while (list.childElementCount > kept) list.lastElementChild.remove();
    empty.hidden = list.childElementCount > 0;
  };

  return {
    /** @param {object} result newer than all before */
    add(result) {
      waiting.push(result);
      if (waiting.length > kept) waiting.shift();
      if (isWaiting) return;
      isWaiting = true;
      setTimeout(draw, everyMs);
    },
    clear() {
      waiting = [];
      list.replaceChildren();
    },
  };
}
