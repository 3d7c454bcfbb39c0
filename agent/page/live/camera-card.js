/** One camera: its whole picture with the region, the verdict on its newest part, and its counts. */

import { ageOf, countOf, defectRateOf, labelOf, percentOf, verdictWords } from '../shared/verdicts.js';
import { createLabelShares } from './label-probabilities.js';
import { createPicture } from './newest-image.js';

/** A picture older than this is told apart from a live one, ms. */
const oldMs = 3_000;

/** @param {{card: HTMLTemplateElement, labelShare: HTMLTemplateElement}} templates */
export function createCameraCard(templates, name) {
  const card = templates.card.content.firstElementChild.cloneNode(true);
  const find = (selector) => card.querySelector(selector);
  const set = (selector, text) => {
    const element = find(selector);
    if (element.textContent !== text) element.textContent = text;
  };
  let camera;
  let result;
  let isLinked = true;
  let sceneCapturedAt;

  const scene = createPicture(find('.scene-picture'), ({ capturedAt, width, height }) => {
    sceneCapturedAt = capturedAt;
    find('.scene-frame').style.aspectRatio = `${width} / ${height}`;
    find('.card-grid').style.setProperty('--aspect', String(width / height));
    find('.scene-none').hidden = true;
    find('.scene-region').hidden = false;
  });
  const part = createPicture(find('.part-picture'));
  const shares = createLabelShares(find('.labels'), templates.labelShare);
  find('.card-name').textContent = name;
  find('.scene-picture').setAttribute('aria-label', `Picture of camera ${name}`);

  const isLive = () => isLinked && camera?.up === true;

  const drawVerdict = (now) => {
    // No verdict is shown for a part that this camera or this page cannot see any more.
    const shown = isLive() && result ? result.verdict : 'none';
    const { word, symbol } = verdictWords[shown];
    const block = find('.verdict');
    block.dataset.verdict = shown;
    set('.verdict-symbol', symbol);
    set('.verdict-word', word);
    const age = result ? now - Date.parse(result.capturedAt) : undefined;
    block.classList.toggle('is-old', age !== undefined && age > oldMs);
    if (!isLinked) set('.verdict-note', 'connection lost');
    else if (camera && !camera.up) set('.verdict-note', 'camera down');
    else if (!result) set('.verdict-note', waitingFor(camera));
    else set('.verdict-note', `${ageOf(age)} · ${result.partId}`);
  };

  const drawScene = (now) => {
    const isDown = camera !== undefined && !camera.up;
    find('.scene-down').hidden = !isDown;
    set('.scene-reason', isDown ? camera.reason || 'no frames arrive' : '');
    set('.card-link', linkWords(camera, isLinked));
    find('.card-link').dataset.up = isLinked ? String(!isDown) : 'unknown';
    const age = sceneCapturedAt === undefined ? undefined : now - sceneCapturedAt;
    const isOther = result?.votes.frames === 0;
    const isStale = !isLive() || isOther || (age !== undefined && age > oldMs);
    const badge = find('.scene-age');
    badge.hidden = age === undefined;
    set('.scene-age', age === undefined ? '' : sceneWords(isOther, isStale, age));
    card.classList.toggle('is-stale', isStale);
    card.classList.toggle('is-unseen', !isLive());
    card.classList.toggle('is-down', isDown);
  };

  return {
    element: card,
    /** The newest result shown, undefined before the first. */
    get newestId() {
      return result?.resultId;
    },
    /** @param {object} view as `/api/v1/cameras` gives it */
    showCamera(view) {
      camera = view;
      place(find('.scene-region'), view.region);
      for (const verdict of ['pass', 'fail', 'uncertain']) {
        set(`[data-count=${verdict}] dd`, countOf(view.counts[verdict]));
      }
      set('[data-count=rate] dd', percentOf(defectRateOf(view.counts)));
    },
    /** @param {object} newest a result of this camera */
    showResult(newest) {
      result = newest;
      const { probability, votes } = newest;
      find('.scene-region').dataset.verdict = newest.verdict;
      set('.part-label', labelOf(newest));
      find('.part-meter').value = (probability ?? 0) * 100;
      find('.part-meter').dataset.verdict = newest.verdict;
      set('.part-confidence', percentOf(probability));
      set('.part-votes', votes.frames === 0 ? '–' : `${votes.agree} of ${votes.frames} agree`);
      set('.part-latency', `${Math.round(newest.timingsMs.total)} ms`);
      set('.part-reasons', newest.reasons.join(' · '));
      find('.part-picture').setAttribute('aria-label', `Part ${newest.partId}, ${newest.verdict}`);
      shares.show(newest.probabilities);
      if (votes.frames === 0) {
        // Nothing was judged: the picture of the part before must not stand beside this verdict.
        part.clear();
        return;
      }
      void part.show(`api/v1/evidence/${newest.resultId}.jpg`);
      void scene.show(`api/v1/cameras/${name}/preview.jpg?part=${newest.resultId}`);
    },
    /** Brings ages up to date. @param {number} now ms by the agent's clock */
    tick(now, linked) {
      isLinked = linked;
      drawScene(now);
      drawVerdict(now);
    },
  };
}

function sceneWords(isOther, isStale, age) {
  if (isOther) return `The part before · ${ageOf(age)}`;
  return isStale ? `Old picture · ${ageOf(age)}` : 'Newest part';
}

function linkWords(camera, isLinked) {
  if (!isLinked) return 'not known';
  if (!camera?.up) return '✕ down';
  return camera.simulated ? '● up · simulated' : '● up';
}

function waitingFor(camera) {
  switch (camera?.trigger) {
    case 'presence':
      return 'waiting for a part';
    case 'command':
      return 'waiting for a trigger';
    default:
      return 'no part yet';
  }
}

/** Puts the box where the region is. @param {{x: number, y: number, width: number, height: number}} region */
function place(box, { x, y, width, height }) {
  box.style.left = `${x * 100}%`;
  box.style.top = `${y * 100}%`;
  box.style.width = `${width * 100}%`;
  box.style.height = `${height * 100}%`;
}
