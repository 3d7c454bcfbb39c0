/** Describes the evaluation of a model. */
import { counted, percentOf } from '../shared/format.js';

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
    const text = `${version} was trained on ${counted(goodOnly.parts, 'good part')} only: parts like them pass, all others are uncertain.`;
    return { tone: gate.allowed ? 'good' : 'bad', text };
  }
  const right = `correct on ${percentOf(accuracy)} of the parts it was not trained on`;
  if (!active) {
    return gate.allowed
      ? { tone: 'good', text: `${version} is the first model and it works: ${right}.` }
      : { tone: 'bad', text: `${version} does not work yet; it is no better than guessing: ${right}.` };
  }
  const other = `${active.version === activeNow ? 'the active model' : 'the model that was active then,'} ${active.version}`;
  const comparison = `${other}: ${right}, compared with ${percentOf(active.accuracy)}.`;
  const gain = accuracy - active.accuracy;
  if (!gate.allowed) {
    return { tone: 'bad', text: `${gain < 0 ? 'Worse than' : 'Not shown to be as good as'} ${comparison}` };
  }
  if (gain < minGain) return { tone: 'good', text: `As good as ${comparison}` };
  const fewer = errorReduction.active;
  const mistakes = fewer !== null && fewer > 0 ? ` It makes ${percentOf(fewer, 0)} fewer mistakes.` : '';
  return { tone: 'good', text: `Better than ${comparison}${mistakes}` };
}

/** @type {Record<Report['checks'][number]['name'], string>} */
export const checkNames = {
  'negative-transfer': 'Use of the base',
  'over-fitting': 'New parts',
  forgetting: 'Earlier parts',
};

/** @type {Record<Report['views'], string>} */
const viewText = {
  none: 'parts always lie the same way',
  flips: 'parts may be mirrored',
  turns: 'parts may be turned',
};

/** How the model was trained. @param {Report} report */
export function originText({ frames, revision, folds, seed, views, macroF1, seconds, ...report }) {
  const { augment = [], hidden = 0, latencyMs, goodOnly } = report;
  return [
    `${counted(frames, 'frame')} of revision ${revision.slice(0, 12)}`,
    goodOnly ? 'each evaluated without itself' : `evaluated in ${folds} folds`,
    !goodOnly && viewText[views],
    augment.length > 0 && `augmented with ${augment.join(', ')}`,
    hidden > 0 && counted(hidden, 'hidden unit'),
    !goodOnly && `macro F1 ${percentOf(macroF1)}`,
    latencyMs !== undefined && `${latencyMs.toFixed(0)} ms per image`,
    `seed ${seed}`,
    `trained in ${Math.round(seconds.features + seconds.training)} s`,
  ]
    .filter(Boolean)
    .join(' · ');
}
