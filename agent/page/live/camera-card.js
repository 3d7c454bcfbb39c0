/** One camera: its image with the region, the verdict on its newest part, and its counts. */
import { evidenceImagePath } from '../shared/api-client.js';
import { copyOf, find, setText } from '../shared/dom.js';
import { ageOf, countOf, listed, percentOf, shortTimeOf } from '../shared/format.js';
import { fromAgent, t, tn } from '../shared/language.js';
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
  const aim = find(card, '.card-aim', HTMLAnchorElement);
  aim.href = `aim.html#${encodeURIComponent(name)}`;
  aim.setAttribute('aria-label', t('Aim camera {name}', { name }));
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
    if (!isConnected) set('.verdict-note', t('connection lost'));
    else if (camera && !camera.up) set('.verdict-note', t('camera down'));
    else if (!result || age === undefined) set('.verdict-note', waitingText(camera));
    else set('.verdict-note', listed(ageOf(age), result.partId));
  };

  /** @param {number} now */
  const drawScene = (now) => {
    const isDown = camera !== undefined && !camera.up;
    find(card, '.scene-down').hidden = !isDown;
    set('.scene-reason', isDown ? fromAgent(camera?.reason || '') || t('no frames arrive') : '');
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
      // Parts without a judgement are uncertain too, but say nothing about the process.
      set('[data-count=uncertain] dd', countOf(counts.judged - counts.pass - counts.fail));
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
      set(
        '.part-votes',
        votes.frames === 0
          ? '–'
          : t('{agree} of {frames} agree', { agree: votes.agree, frames: votes.frames }),
      );
      set('.part-latency', t('{n} ms', { n: Math.round(newest.timingsMs.total) }));
      set('.part-reasons', listed(...newest.reasons.map(fromAgent)));
      find(card, '.part-image', HTMLCanvasElement).setAttribute(
        'aria-label',
        t('Part {part}: {verdict}', { part: newest.partId, verdict: verdictWords[newest.verdict].word }),
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
  if (total === 0) return t('No part since the agent started.');
  const others = total - judged;
  if (judgedSince === null)
    return tn(
      'No model has judged a part yet: {n} part without a verdict.',
      'No model has judged a part yet: {n} parts without a verdict.',
      others,
    );
  const rate = tn(
    'Defect rate: share of failed parts among the {n} part judged since {time}.',
    'Defect rate: share of failed parts among the {n} parts judged since {time}.',
    judged,
    { time: shortTimeOf(judgedSince) },
  );
  if (others === 0) return rate;
  return `${rate} ${tn('{n} part was not judged and is not counted.', '{n} parts were not judged and are not counted.', others)}`;
}

/** @param {boolean} isPrevious @param {boolean} isStale @param {number} age */
function sceneText(isPrevious, isStale, age) {
  if (isPrevious) return listed(t('Previous part'), ageOf(age));
  return isStale ? listed(t('Old image'), ageOf(age)) : t('Newest part');
}

/** @param {CameraView | undefined} camera @param {boolean} isConnected */
function stateText(camera, isConnected) {
  if (!isConnected) return t('unknown');
  if (!camera?.up) return t('✕ down');
  return camera.simulated ? t('● up · simulated') : t('● up');
}

/** @param {CameraView | undefined} camera */
function waitingText(camera) {
  switch (camera?.trigger) {
    case 'presence':
      return t('waiting for a part');
    case 'command':
      return t('waiting for a trigger');
    default:
      return t('no part yet');
  }
}

/** Moves the box to the region. @param {HTMLElement} box @param {CameraView['region']} region */
function place(box, { x, y, width, height }) {
  box.style.left = `${x * 100}%`;
  box.style.top = `${y * 100}%`;
  box.style.width = `${width * 100}%`;
  box.style.height = `${height * 100}%`;
}
