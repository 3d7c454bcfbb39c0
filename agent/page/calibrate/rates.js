/** Rates, intervals and times in plain words. */
import { percentOf } from '../shared/verdicts.js';

/**
 * "of 100 bad parts about 3 would pass; surely fewer than 8"
 * @param {{rate: number, high: number, wrong: number, of: number}} interval
 * @param {string} parts such as `bad parts` @param {string} happens such as `would pass`
 */
export function intervalWords({ rate, high, wrong, of }, parts, happens) {
  if (of === 0) return `not known yet: there were no ${parts} to judge by`;
  const per = high < 0.01 ? 1_000 : 100;
  const about = Math.round(rate * per);
  const many = wrong === 0 ? 'probably none' : about === 0 ? 'fewer than one' : `about ${about}`;
  const bound = Math.floor(high * per) + 1;
  const sure = bound >= per ? 'more cannot be said from so few' : `surely fewer than ${bound}`;
  return `of ${per} ${parts} ${many} ${happens}; ${sure}`;
}

/** The figures behind the words. */
export function intervalFigures({ low, high, wrong, of }, parts) {
  if (of === 0) return '';
  const figures = `${wrong} of ${of} ${parts} · 95 % interval ${percentOf(low)} to ${percentOf(high)}`;
  // A number and its sign stay on one line.
  return figures.replaceAll(' %', '\u00a0%');
}

/** How the active head does on the line, in one line. @param {object} estimate of the overview */
export function estimateWords({ escapes, falseRejects, corrections }) {
  if (escapes.of === 0 && falseRejects.of === 0) {
    return 'How the line does: not known yet. It shows once parts that were drawn by chance are labelled.';
  }
  const corrected = corrections === 1 ? '1 correction so far' : `${corrections} corrections so far`;
  return `How the line does: ${[
    intervalWords(escapes, 'bad parts', 'pass'),
    intervalWords(falseRejects, 'good parts', 'fail'),
    corrected,
  ].join(' · ')}.`;
}

/** @param {string | null | undefined} iso */
export function timeOf(iso) {
  if (!iso) return '';
  return new Date(iso).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}

/** As `timeOf`, for where there is little room: without the year. @param {string} iso */
export function shortTimeOf(iso) {
  const fields = { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' };
  return new Date(iso).toLocaleString([], fields);
}

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
