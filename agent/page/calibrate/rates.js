/** Describes error rates and their intervals. */
import { listed, percentOf } from '../shared/format.js';
import { t, tn } from '../shared/language.js';

/** @import { EstimateView, Overview } from '../../../calibration/views.ts' */
/** @typedef {EstimateView['escapes']} Interval */
/** @typedef {import('../shared/language.js').Values} Values */

/**
 * Each rate in words: nothing measured, none seen, a rate below 1, and a number.
 * @type {Record<string, Record<'unknown' | 'none' | 'few' | 'about', (values: Values) => string>>}
 */
const sentences = {
  badWouldPass: {
    unknown: () => t('not known yet: there were no bad parts to test with'),
    none: (values) => t('probably none of {per} bad parts would pass', values),
    few: (values) => t('fewer than 1 of {per} bad parts would pass', values),
    about: (values) => t('about {n} of {per} bad parts would pass', values),
  },
  goodWouldFail: {
    unknown: () => t('not known yet: there were no good parts to test with'),
    none: (values) => t('probably none of {per} good parts would fail', values),
    few: (values) => t('fewer than 1 of {per} good parts would fail', values),
    about: (values) => t('about {n} of {per} good parts would fail', values),
  },
  wouldBeUncertain: {
    unknown: () => t('not known yet: there were no parts to test with'),
    none: (values) => t('probably none of {per} parts would be uncertain', values),
    few: (values) => t('fewer than 1 of {per} parts would be uncertain', values),
    about: (values) => t('about {n} of {per} parts would be uncertain', values),
  },
  goodWouldBeUncertain: {
    unknown: () => t('not known yet: there were no good parts to test with'),
    none: (values) => t('probably none of {per} good parts would be uncertain', values),
    few: (values) => t('fewer than 1 of {per} good parts would be uncertain', values),
    about: (values) => t('about {n} of {per} good parts would be uncertain', values),
  },
  badPass: {
    unknown: () => t('not known yet: there were no bad parts to test with'),
    none: (values) => t('probably none of {per} bad parts pass', values),
    few: (values) => t('fewer than 1 of {per} bad parts pass', values),
    about: (values) => t('about {n} of {per} bad parts pass', values),
  },
  goodFail: {
    unknown: () => t('not known yet: there were no good parts to test with'),
    none: (values) => t('probably none of {per} good parts fail', values),
    few: (values) => t('fewer than 1 of {per} good parts fail', values),
    about: (values) => t('about {n} of {per} good parts fail', values),
  },
};
/** @typedef {keyof typeof sentences} Rate */

/**
 * "about 3 of 100 bad parts would pass; very likely fewer than 8"
 * @param {Interval} interval
 * @param {Rate} name
 */
export function rateText({ rate, high, wrong, of }, name) {
  const texts = sentences[name];
  if (!texts) throw new Error(`there is no rate ${name}`);
  if (of === 0) return texts.unknown({});
  const per = high < 0.01 ? 1_000 : 100;
  const n = Math.round(rate * per);
  const values = { n, per };
  const expected = wrong === 0 ? texts.none(values) : n === 0 ? texts.few(values) : texts.about(values);
  const bound = Math.floor(high * per) + 1;
  const limit = bound >= per ? t('too few parts for a limit') : t('very likely fewer than {n}', { n: bound });
  return `${expected}; ${limit}`;
}

/** The numbers behind `rateText`. @param {Interval} interval @param {'good' | 'bad' | 'all'} parts */
export function rateNumbers({ low, high, wrong, of }, parts) {
  if (of === 0) return '';
  const values = { wrong };
  const counts = {
    good: () => tn('{wrong} of {n} good part', '{wrong} of {n} good parts', of, values),
    bad: () => tn('{wrong} of {n} bad part', '{wrong} of {n} bad parts', of, values),
    all: () => tn('{wrong} of {n} part', '{wrong} of {n} parts', of, values),
  };
  const interval = t('95 % interval {low} to {high}', { low: percentOf(low), high: percentOf(high) });
  // A number and its percent sign stay on one line.
  return listed(counts[parts](), interval).replaceAll(' %', '\u00a0%');
}

/** How well the active model performs on the line. @param {Overview['estimate']} estimate */
export function estimateText({ escapes, falseRejects, corrections }) {
  if (escapes.of === 0 && falseRejects.of === 0) {
    return t(
      'Performance on the line: not known yet. To measure it, label the parts that are marked “drawn at random”.',
    );
  }
  return t('Performance on the line: {rates}.', {
    rates: listed(
      rateText(escapes, 'badPass'),
      rateText(falseRejects, 'goodFail'),
      tn('{n} correction so far', '{n} corrections so far', corrections),
    ),
  });
}
