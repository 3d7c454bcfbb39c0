/** Guides a newcomer: good parts first, then defects. Shown until a defect has enough labelled parts. */

import { byId, setText } from '../shared/dom.js';
import { counted, percentOf } from '../shared/format.js';
import { trainOnClick } from './train-button.js';

/** @import { Label } from './overview.js' */
/** @import { Tools } from './tools.js' */

/** Good parts that a newcomer is asked for. */
const wantedGood = 30;
/** The least that can be trained on (calibration/train/remember-good.ts). */
export const minGood = 10;
/** Labelled parts of a defect from which training finds it by name (calibration/train/choose-frames.ts). */
export const minDefect = 4;
/** Shares of good parts that may be uncertain, and how sure that is. */
const rates = [0.1, 0.05, 0.02, 0.01];
const risk = 0.05;

/** @param {Tools} tools */
export function createGoodStart(tools) {
  const button = byId('good-start-train', HTMLButtonElement);
  trainOnClick(button, tools);
  tools.overview.subscribe(({ labels, training, active, candidate }) => {
    const good = goodPartsOf(labels);
    byId('good-start').hidden = good === undefined;
    if (good === undefined) return;
    const isRunning = training.state === 'running';
    setText(byId('good-start-title'), titleOf(good));
    setText(byId('good-start-count'), `${Math.min(good, wantedGood)} of ${wantedGood}`);
    const bar = byId('good-start-bar', HTMLProgressElement);
    bar.max = wantedGood;
    bar.value = Math.min(good, wantedGood);
    bar.hidden = good >= wantedGood;
    byId('good-start-count').hidden = good >= wantedGood;
    setText(byId('good-start-text'), `${textOf(good, active !== null)} ${promiseText(good)}`.trim());
    button.hidden = good < minGood || active !== null || candidate !== null;
    button.disabled = isRunning;
    setText(button, isRunning ? 'Training …' : 'Train and use it');
  });
}

/** Labelled good parts, as long as only those can be trained on. @param {readonly Label[]} labels */
export function goodPartsOf(labels) {
  if (labels.some(({ good, count }) => !good && count >= minDefect)) return undefined;
  return labels.reduce((sum, { good, count }) => sum + (good ? count : 0), 0);
}

/** @param {number} good */
function titleOf(good) {
  if (good >= wantedGood) return `${counted(good, 'good part')} labelled`;
  return good === 0 ? 'Show thirty good parts' : 'Show more good parts';
}

/** @param {number} good @param {boolean} isUsed */
function textOf(good, isUsed) {
  if (good < minGood) {
    return `The station learns what good parts look like; a part that is unlike them is then uncertain. You can train from ${minGood} good parts: ${minGood - good} more.`;
  }
  if (!isUsed) return 'You can train now. A part that is unlike the good ones is then uncertain.';
  return `When a defect has ${minDefect} labelled parts, train again to find it by name.`;
}

/** What these good parts promise, and what more of them would. @param {number} good */
export function promiseText(good) {
  if (good < minGood) return '';
  const promised = `${counted(good, 'good part')} promise that at most ${percentOf(mostUncertain(good), 0)} of good parts are uncertain`;
  const next = rates.find((rate) => partsFor(rate) > good);
  if (next === undefined) return `${promised}.`;
  const missing = partsFor(next) - good;
  return `${promised}; ${missing} more would promise ${percentOf(next, 0)}.`;
}

/** As training promises it (calibration/train/false-alarms.ts). @param {number} parts */
const mostUncertain = (parts) => Math.ceil(100 * (1 - risk ** (1 / parts))) / 100;
/** @param {number} rate */
const partsFor = (rate) => Math.ceil(Math.log(risk) / Math.log1p(-rate));
