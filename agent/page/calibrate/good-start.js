/** Guides a new user: good parts first, then defects. Shown until a defect has enough labelled parts. */

import { byId, setText } from '../shared/dom.js';
import { percentOf } from '../shared/format.js';
import { t, tn } from '../shared/language.js';
import { trainOnClick } from './train-button.js';

/** @import { Label } from './overview.js' */
/** @import { Tools } from './tools.js' */

/** Number of good parts that a new station asks for. */
const wantedGood = 30;
/** Minimum number for training (calibration/train/remember-good.ts). */
export const minGood = 10;
/** Minimum number of labelled parts of a defect that a model can recognise (calibration/train/choose-frames.ts). */
export const minDefect = 4;
/** Limits for the share of uncertain good parts, and their confidence level. */
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
    setText(
      byId('good-start-count'),
      t('{n} of {total}', { n: Math.min(good, wantedGood), total: wantedGood }),
    );
    const bar = byId('good-start-bar', HTMLProgressElement);
    bar.max = wantedGood;
    bar.value = Math.min(good, wantedGood);
    bar.hidden = good >= wantedGood;
    byId('good-start-count').hidden = good >= wantedGood;
    setText(byId('good-start-text'), `${textOf(good, active !== null)} ${promiseText(good)}`.trim());
    button.hidden = good < minGood || active !== null || candidate !== null;
    button.disabled = isRunning;
    setText(button, isRunning ? t('Training …') : t('Train and use it'));
  });
}

/** Number of labelled good parts while training can only use good parts. @param {readonly Label[]} labels */
export function goodPartsOf(labels) {
  if (labels.some(({ good, count }) => !good && count >= minDefect)) return undefined;
  return labels.reduce((sum, { good, count }) => sum + (good ? count : 0), 0);
}

/** @param {number} good */
function titleOf(good) {
  if (good >= wantedGood) return tn('{n} good part labelled', '{n} good parts labelled', good);
  return good === 0 ? t('Show thirty good parts') : t('Show more good parts');
}

/** @param {number} good @param {boolean} isUsed */
function textOf(good, isUsed) {
  if (good < minGood) {
    return t(
      'The station learns what good parts look like; a part that is unlike them is then uncertain. Training needs {n} good parts: {missing} more.',
      { n: minGood, missing: minGood - good },
    );
  }
  if (!isUsed) return t('You can train now. A part that is unlike the good ones is then uncertain.');
  return t(
    'As soon as a defect has {n} labelled parts, train again: the new model can then recognise this defect.',
    { n: minDefect },
  );
}

/** The share of uncertain good parts to expect with these good parts, and with more of them. @param {number} good */
export function promiseText(good) {
  if (good < minGood) return '';
  const share = percentOf(mostUncertain(good), 0);
  const next = rates.find((rate) => partsFor(rate) > good);
  if (next === undefined) {
    return t('{n} good parts are enough to expect at most {share} of good parts to be uncertain.', {
      n: good,
      share,
    });
  }
  return t(
    '{n} good parts are enough to expect at most {share} of good parts to be uncertain; {missing} more would lower this to {lower}.',
    { n: good, share, missing: partsFor(next) - good, lower: percentOf(next, 0) },
  );
}

/** As training promises it (calibration/train/false-alarms.ts). @param {number} parts */
const mostUncertain = (parts) => Math.ceil(100 * (1 - risk ** (1 / parts))) / 100;
/** @param {number} rate */
const partsFor = (rate) => Math.ceil(Math.log(risk) / Math.log1p(-rate));
