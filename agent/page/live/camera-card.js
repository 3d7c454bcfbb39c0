/** One camera: its image with the region, the verdict on its newest part, and its counts. */
import { evidenceImagePath } from '../shared/api-client.js';
import { copyOf, find, setText } from '../shared/dom.js';
import { ageOf, counted, countOf, percentOf, shortTimeOf } from '../shared/format.js';
import { t } from '../shared/language.js';
import { labelOf, verdictWords } from '../shared/verdicts.js';
import { createCardPlaces } from './card-places.js';
import { createLabelProbabilities } from './label-probabilities.js';
import { createNewestImage } from './newest-image.js';

/** @import { CameraView, CameraWithCounts, Counts } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */

/** An older image is marked as old, ms. */
const oldMs = 3_000;

/** @param {{card: HTMLTemplateElement, probability: HTMLTemplateElement}} templates @param {string} name */
export function createCameraCard(templates, name) {
  const card = copyOf(templates.card);
  /** @param {string} selector @param {string} text */
  const set = (selector, text) => setText(find(card, selector), text);
  /** @type {CameraWithCounts | undefined} */
  let camera;
  /** @type {Result | undefined} */
  let result;
  let isConnected = true;
  /** @type {number | undefined} */
  let sceneCapturedAt;
  const places = createCardPlaces({
    scene: find(card, '.scene-frame'),
    part: find(card, '.part-shown'),
    tools: find(card, '.card-where'),
  });

  const scene = createNewestImage(
    find(card, '.scene-image', HTMLCanvasElement),
    ({ url, capturedAt, width, height }) => {
      sceneCapturedAt = capturedAt;
      places.imageShown('scene', url, { width, height });
      find(card, '.scene-frame').style.aspectRatio = `${width} / ${height}`;
      find(card, '.card-grid').style.setProperty('--aspect', String(width / height));
      find(card, '.scene-none').hidden = true;
      find(card, '.scene-region').hidden = false;
    },
  );
  const part = createNewestImage(find(card, '.part-image', HTMLCanvasElement), ({ url, width, height }) =>
    places.imageShown('part', url, { width, height }),
  );
  const probabilities = createLabelProbabilities(find(card, '.labels'), templates.probability);
  set('.card-name', name);
  find(card, '.scene-image', HTMLCanvasElement).setAttribute(
    'aria-label',
    t('Image of camera {name}', { name }),
  );

  const isLive = () => isConnected && camera?.up === true;

  /** @param {number} now */
  const drawVerdict = (now) => {
    // A verdict is hidden while the camera or the connection is down: it could be about a part that has left.
    const shown = isLive() && result ? result.verdict : 'none';
    const { word, symbol } = verdictWords[shown];
    const block = find(card, '.verdict');
    block.dataset.verdict = shown;
    set('.verdict-symbol', symbol);
    set('.verdict-word', word);
    const age = result ? now - Date.parse(result.capturedAt) : undefined;
    block.classList.toggle('is-old', age !== undefined && age > oldMs);
    if (!isConnected) set('.verdict-note', 'connection lost');
    else if (camera && !camera.up) set('.verdict-note', 'camera down');
    else if (!result || age === undefined) set('.verdict-note', waitingText(camera));
    else set('.verdict-note', `${ageOf(age)} · ${result.partId}`);
  };

  /** @param {number} now */
  const drawScene = (now) => {
    const isDown = camera !== undefined && !camera.up;
    find(card, '.scene-down').hidden = !isDown;
    set('.scene-reason', isDown ? camera?.reason || 'no frames arrive' : '');
    set('.card-state', stateText(camera, isConnected));
    find(card, '.card-state').dataset.up = isConnected ? String(!isDown) : 'unknown';
    const age = sceneCapturedAt === undefined ? undefined : now - sceneCapturedAt;
    // The newest part was not judged: the image still shows the previous part.
    const isPrevious = result?.votes.frames === 0;
    const isStale = !isLive() || isPrevious || (age !== undefined && age > oldMs);
    find(card, '.scene-age').hidden = age === undefined;
    set('.scene-age', age === undefined ? '' : sceneText(isPrevious, isStale, age));
    card.classList.toggle('is-stale', isStale);
    card.classList.toggle('is-not-live', !isLive());
    card.classList.toggle('is-down', isDown);
  };

  return {
    element: card,
    /** The newest result shown, undefined before the first. */
    get newestId() {
      return result?.resultId;
    },
    /** @param {CameraWithCounts} view */
    showCamera(view) {
      camera = view;
      place(find(card, '.scene-region'), view.region);
      const { counts } = view;
      set('[data-count=pass] dd', countOf(counts.pass));
      set('[data-count=fail] dd', countOf(counts.fail));
      set('[data-count=uncertain] dd', countOf(counts.uncertain));
      set('[data-count=rate] dd', percentOf(counts.judged === 0 ? null : counts.fail / counts.judged));
      set('.counts-note', countsText(counts));
    },
    /** @param {Result} newest a result of this camera */
    showResult(newest) {
      result = newest;
      const { probability, votes } = newest;
      find(card, '.scene-region').dataset.verdict = newest.verdict;
      set('.part-label', labelOf(newest));
      find(card, '.part-meter', HTMLMeterElement).value = (probability ?? 0) * 100;
      find(card, '.part-meter', HTMLMeterElement).dataset.verdict = newest.verdict;
      set('.part-confidence', percentOf(probability));
      set('.part-votes', votes.frames === 0 ? '–' : `${votes.agree} of ${votes.frames} agree`);
      set('.part-latency', `${Math.round(newest.timingsMs.total)} ms`);
      set('.part-reasons', newest.reasons.join(' · '));
      find(card, '.part-image', HTMLCanvasElement).setAttribute(
        'aria-label',
        `Part ${newest.partId}, ${newest.verdict}`,
      );
      probabilities.show(newest.probabilities);
      if (votes.frames === 0) {
        // This part was not judged: the image of the previous part must not appear next to its verdict.
        part.clear();
        places.clear();
        return;
      }
      const paths = {
        part: evidenceImagePath(newest.resultId),
        scene: `api/v1/cameras/${name}/preview.jpg?part=${newest.resultId}`,
      };
      void places.show(newest, paths);
      void part.show(paths.part);
      void scene.show(paths.scene);
    },
    /** Updates the ages. @param {number} now ms by the agent's clock @param {boolean} connected */
    tick(now, connected) {
      isConnected = connected;
      drawScene(now);
      drawVerdict(now);
    },
  };
}

/** The start of the counts, and the base of the defect rate. @param {Counts} counts */
function countsText({ pass, fail, uncertain, judged, judgedSince }) {
  const total = pass + fail + uncertain;
  if (total === 0) return 'No part since the agent started.';
  const others = total - judged;
  if (judgedSince === null)
    return `No model has judged a part yet: ${counted(others, 'part')} without a verdict.`;
  const rate = `Defect rate: share of failed parts among the ${counted(judged, 'part')} judged since ${shortTimeOf(judgedSince)}`;
  return others === 0 ? `${rate}.` : `${rate}; ${counted(others, 'part')} not judged and not counted.`;
}

/** @param {boolean} isPrevious @param {boolean} isStale @param {number} age */
function sceneText(isPrevious, isStale, age) {
  if (isPrevious) return `Previous part · ${ageOf(age)}`;
  return isStale ? `Old image · ${ageOf(age)}` : 'Newest part';
}

/** @param {CameraView | undefined} camera @param {boolean} isConnected */
function stateText(camera, isConnected) {
  if (!isConnected) return 'unknown';
  if (!camera?.up) return '✕ down';
  return camera.simulated ? '● up · simulated' : '● up';
}

/** @param {CameraView | undefined} camera */
function waitingText(camera) {
  switch (camera?.trigger) {
    case 'presence':
      return 'waiting for a part';
    case 'command':
      return 'waiting for a trigger';
    default:
      return 'no part yet';
  }
}

/** Moves the box to the region. @param {HTMLElement} box @param {CameraView['region']} region */
function place(box, { x, y, width, height }) {
  box.style.left = `${x * 100}%`;
  box.style.top = `${y * 100}%`;
  box.style.width = `${width * 100}%`;
  box.style.height = `${height * 100}%`;
}
