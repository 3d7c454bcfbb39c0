/** Describes error rates and their intervals. */
import { counted, percentOf } from '../shared/format.js';

/** @import { EstimateView, Overview } from '../../../calibration/views.ts' */
/** @typedef {EstimateView['escapes']} Interval */

/**
 * "about 3 of 100 bad parts would pass; very likely fewer than 8"
 * @param {Interval} interval
 * @param {string} parts such as `bad parts`
 * @param {string} happens such as `would pass`
 */
export function rateText({ rate, high, wrong, of }, parts, happens) {
  if (of === 0) return `not known yet: there were no ${parts} to test with`;
  const per = high < 0.01 ? 1_000 : 100;
  const rounded = Math.round(rate * per);
  const many = wrong === 0 ? 'probably none' : rounded === 0 ? 'fewer than 1' : `about ${rounded}`;
  const bound = Math.floor(high * per) + 1;
  const limit = bound >= per ? 'too few parts for a limit' : `very likely fewer than ${bound}`;
  return `${many} of ${per} ${parts} ${happens}; ${limit}`;
}

/** The numbers behind `rateText`. @param {Interval} interval @param {string} parts */
export function rateNumbers({ low, high, wrong, of }, parts) {
  if (of === 0) return '';
  const text = `${wrong} of ${of} ${parts} · 95 % interval ${percentOf(low)} to ${percentOf(high)}`;
  // A number and its percent sign stay on one line.
  return text.replaceAll(' %', '\u00a0%');
}

/** How well the active model performs on the line. @param {Overview['estimate']} estimate */
export function estimateText({ escapes, falseRejects, corrections }) {
  if (escapes.of === 0 && falseRejects.of === 0) {
    return 'Performance on the line: not known yet. To measure it, label the parts that are marked “drawn at random”.';
  }
  return `Performance on the line: ${[
    rateText(escapes, 'bad parts', 'pass'),
    rateText(falseRejects, 'good parts', 'fail'),
    `${counted(corrections, 'correction')} so far`,
  ].join(' · ')}.`;
}
