/** Describes the evaluation of a model. */
import { counted, listed, percentOf } from '../shared/format.js';
import { t, tn } from '../shared/language.js';

/** @import { Report } from '../../../calibration/train/report.ts' */

/** A smaller difference in accuracy is not called better. */
const minGain = 0.005;

/**
 * The result in one sentence.
 * @param {string} version
 * @param {Report} report
 * @param {string | null | undefined} activeNow the active version
 * @returns {{tone: 'good' | 'bad', text: string}}
 */
export function summaryOf(version, { accuracy, active, gate, errorReduction, goodOnly }, activeNow) {
  if (goodOnly) {
    const text = tn(
      '{version} was trained on {n} good part only: parts like it pass, all others are uncertain.',
      '{version} was trained on {n} good parts only: parts like them pass, all others are uncertain.',
      goodOnly.parts,
      { version },
    );
    return { tone: gate.allowed ? 'good' : 'bad', text };
  }
  const values = { version, share: percentOf(accuracy) };
  if (!active) {
    return gate.allowed
      ? {
          tone: 'good',
          text: t(
            '{version} is the first model and it works: correct on {share} of the parts it was not trained on.',
            values,
          ),
        }
      : {
          tone: 'bad',
          text: t(
            '{version} does not work yet; it is no better than guessing: correct on {share} of the parts it was not trained on.',
            values,
          ),
        };
  }
  const other =
    active.version === activeNow
      ? t('the active model {version}', { version: active.version })
      : t('the model that was active then, {version}', { version: active.version });
  const compared = { other, share: percentOf(accuracy), otherShare: percentOf(active.accuracy) };
  const gain = accuracy - active.accuracy;
  if (!gate.allowed) {
    const text =
      gain < 0
        ? t(
            'Worse than {other}: correct on {share} of the parts it was not trained on, compared with {otherShare}.',
            compared,
          )
        : t(
            'Not shown to be as good as {other}: correct on {share} of the parts it was not trained on, compared with {otherShare}.',
            compared,
          );
    return { tone: 'bad', text };
  }
  if (gain < minGain) {
    const text = t(
      'As good as {other}: correct on {share} of the parts it was not trained on, compared with {otherShare}.',
      compared,
    );
    return { tone: 'good', text };
  }
  const fewer = errorReduction.active;
  const better = t(
    'Better than {other}: correct on {share} of the parts it was not trained on, compared with {otherShare}.',
    compared,
  );
  const mistakes =
    fewer !== null && fewer > 0 ? t('It makes {share} fewer mistakes.', { share: percentOf(fewer, 0) }) : '';
  return { tone: 'good', text: `${better} ${mistakes}`.trim() };
}

/** @type {Record<Report['checks'][number]['name'], string>} */
export const checkNames = {
  'negative-transfer': t('Use of the base'),
  'over-fitting': t('New parts'),
  forgetting: t('Earlier parts'),
};

/** @type {Record<Report['views'], string>} */
const viewText = {
  none: t('parts always lie the same way'),
  flips: t('parts may be mirrored'),
  turns: t('parts may be turned'),
};

/** How the model was trained. @param {Report} report */
export function originText({ frames, revision, folds, seed, views, macroF1, seconds, ...report }) {
  const { augment = [], hidden = 0, latencyMs, goodOnly } = report;
  return listed(
    tn('{n} frame of revision {revision}', '{n} frames of revision {revision}', frames, {
      revision: revision.slice(0, 12),
    }),
    goodOnly ? t('each evaluated without itself') : t('evaluated in {n} folds', { n: folds }),
    !goodOnly && viewText[views],
    augment.length > 0 && t('augmented with {kinds}', { kinds: augment.join(', ') }),
    hidden > 0 && counted(hidden, 'hidden unit'),
    !goodOnly && t('macro F1 {share}', { share: percentOf(macroF1) }),
    latencyMs !== undefined && t('{n} ms per image', { n: Math.round(latencyMs) }),
    t('seed {seed}', { seed: String(seed) }),
    t('trained in {n} s', { n: Math.round(seconds.features + seconds.training) }),
  );
}
