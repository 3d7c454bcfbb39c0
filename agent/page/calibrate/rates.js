/** Describes error rates and their intervals. */
import { percentOf } from '../shared/format.js';
import { t } from '../shared/language.js';

/** @import { EstimateView, Overview } from '../../../calibration/views.ts' */
/** @import { Report } from '../../../calibration/train/report.ts' */
/** @typedef {EstimateView['escapes']} Interval */

/** @typedef {'escapes' | 'falseRejects' | 'uncertain' | 'falseAlarms' | 'passed' | 'failed'} RateKind */
/** @typedef {Record<'wrong' | 'of' | 'expected' | 'bound' | 'per', number>} RateValues */

/** @type {Record<RateKind, {unknown: () => string, none: (n: RateValues) => string, some: (n: RateValues) => string}>} */
const sentences = {
  escapes: {
    unknown: () => t('Not known yet: there were no bad parts to test with.'),
    none: (n) => t('None of the {of} bad parts would pass. Of {per} such parts, up to {bound} may pass.', n),
    some: (n) =>
      t(
        '{wrong} of the {of} bad parts would pass: about {expected} of {per} such parts, possibly up to {bound}.',
        n,
      ),
  },
  falseRejects: {
    unknown: () => t('Not known yet: there were no good parts to test with.'),
    none: (n) => t('None of the {of} good parts would fail. Of {per} such parts, up to {bound} may fail.', n),
    some: (n) =>
      t(
        '{wrong} of the {of} good parts would fail: about {expected} of {per} such parts, possibly up to {bound}.',
        n,
      ),
  },
  uncertain: {
    unknown: () => t('Not known yet: there were no parts to test with.'),
    none: (n) =>
      t('None of the {of} parts would be uncertain. Of {per} such parts, up to {bound} may be uncertain.', n),
    some: (n) =>
      t(
        '{wrong} of the {of} parts would be uncertain: about {expected} of {per} such parts, possibly up to {bound}.',
        n,
      ),
  },
  falseAlarms: {
    unknown: () => t('Not known yet: there were no good parts to test with.'),
    none: (n) =>
      t(
        'None of the {of} good parts would be uncertain. Of {per} such parts, up to {bound} may be uncertain.',
        n,
      ),
    some: (n) =>
      t(
        '{wrong} of the {of} good parts would be uncertain: about {expected} of {per} such parts, possibly up to {bound}.',
        n,
      ),
  },
  passed: {
    unknown: () => t('No bad part was checked at random yet.'),
    none: (n) => t('None of {of} bad parts passed; of {per} such parts, up to {bound} may pass.', n),
    some: (n) =>
      t('{wrong} of {of} bad parts passed: about {expected} of {per} such parts, possibly up to {bound}.', n),
  },
  failed: {
    unknown: () => t('No good part was checked at random yet.'),
    none: (n) => t('None of {of} good parts failed; of {per} such parts, up to {bound} may fail.', n),
    some: (n) =>
      t(
        '{wrong} of {of} good parts failed: about {expected} of {per} such parts, possibly up to {bound}.',
        n,
      ),
  },
};

/**
 * What was counted, and the upper end of the 95 % interval as what is possible. Without a mistake no rate is stated: few parts do not show
 * that there is none.
 * @param {Interval} interval @param {RateKind} kind
 */
export function rateText({ rate, high, wrong, of }, kind) {
  if (of === 0) return sentences[kind].unknown();
  // Small rates are stated for more parts.
  const per = high < 0.01 || (wrong > 0 && rate < 0.01) ? 1_000 : 100;
  const expected = Math.max(1, Math.round(rate * per));
  const values = { wrong, of, per, expected, bound: Math.min(per, Math.ceil(high * per)) };
  return wrong === 0 ? sentences[kind].none(values) : sentences[kind].some(values);
}

/** The numbers behind `rateText`. @param {Interval} interval */
export function rateNumbers({ low, high, wrong, of }) {
  if (of === 0) return '';
  const values = { wrong, of, low: percentOf(low), high: percentOf(high) };
  // A number and its percent sign stay on one line.
  return t('{wrong} of {of} · 95 % interval {low} to {high}', values).replaceAll(' %', '\u00a0%');
}

/**
 * How the rates at the thresholds agree with the confusion matrix, which does not apply them.
 * @param {Pick<Report, 'escapes' | 'falseRejects' | 'mostProbable'>} report
 */
export function agreementText({ escapes, falseRejects, mostProbable }) {
  if (!mostProbable) {
    return t(
      'These rates apply the thresholds: a part whose label is not probable enough is uncertain. The confusion matrix below does not apply them, so it can show mistakes that would not pass or fail a part.',
    );
  }
  return t(
    'At the thresholds, {escapes} of {bad} bad parts would pass and {rejects} of {good} good parts would fail; a part whose label is not probable enough is uncertain. By the most probable label alone, as in the confusion matrix below, {likelyEscapes} of the bad parts would pass and {likelyRejects} of the good parts would fail.',
    {
      escapes: escapes.wrong,
      bad: escapes.of,
      rejects: falseRejects.wrong,
      good: falseRejects.of,
      likelyEscapes: mostProbable.escapes,
      likelyRejects: mostProbable.falseRejects,
    },
  );
}

/** How well the active model performs on the line. @param {Overview['estimate']} estimate */
export function estimateText({ escapes, falseRejects, corrections }) {
  if (escapes.of === 0 && falseRejects.of === 0) {
    return t(
      'Performance on the line: not known yet. To measure it, label the parts that are marked “drawn at random”.',
    );
  }
  return t('Performance on the line: {escapes} {falseRejects} Corrections so far: {corrections}.', {
    escapes: rateText(escapes, 'passed'),
    falseRejects: rateText(falseRejects, 'failed'),
    corrections,
  });
}
