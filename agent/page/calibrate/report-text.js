/** How a candidate was judged, in sentences. Pure. */

import { percentOf } from '../shared/verdicts.js';
import { counted } from './rates.js';

/** Closer together than this, two heads are as good as each other. */
const hair = 0.005;

/**
 * The one sentence an operator needs.
 * @param {string} version @param {object} report @param {string | null | undefined} activeNow the version that judges now
 */
export function verdictOf(version, { accuracy, active, gate, errorReduction }, activeNow) {
  const right = `right in ${percentOf(accuracy)} of the parts it had not seen`;
  if (!active) {
    return gate.allowed
      ? { tone: 'good', text: `${version} is the first head, and works: ${right}.` }
      : { tone: 'bad', text: `${version} is not better than guessing yet: ${right}.` };
  }
  const other = `${active.version === activeNow ? 'the active head' : 'the head that was active then,'} ${active.version}`;
  const compared = `${other}: ${right}, against ${percentOf(active.accuracy)}.`;
  const by = accuracy - active.accuracy;
  if (!gate.allowed) {
    return { tone: 'bad', text: `${by < 0 ? 'Worse than' : 'Not shown to be as good as'} ${compared}` };
  }
  if (by < hair) return { tone: 'good', text: `No worse than ${compared}` };
  const fewer = errorReduction.active;
  const so = fewer !== null && fewer > 0 ? ` It makes ${percentOf(fewer, 0)} fewer mistakes.` : '';
  return { tone: 'good', text: `Better than ${compared}${so}` };
}

export const checkWords = {
  'negative-transfer': 'Negative transfer',
  'over-fitting': 'Over-fitting',
  forgetting: 'Forgetting',
};

const viewWords = {
  none: 'parts lie the same way',
  flips: 'parts may be mirrored',
  turns: 'parts may be turned',
};

/** How it came about, for those who want to know. */
export function originWords({ augment = [], hidden = 0, latencyMs, seconds, ...report }) {
  const { frames, revision, folds, seed, views, macroF1 } = report;
  const took = Math.round(seconds.features + seconds.training);
  return [
    `${counted(frames, 'frame')} of revision ${revision.slice(0, 12)}`,
    `judged in ${folds} folds`,
    viewWords[views],
    augment.length > 0 && `also with other ${augment.join(', ')}`,
    hidden > 0 && `${hidden} hidden units`,
    `macro F1 ${percentOf(macroF1)}`,
    latencyMs !== undefined && `${latencyMs.toFixed(0)} ms a picture`,
    `seed ${seed}`,
    `trained in ${took} s`,
  ]
    .filter(Boolean)
    .join(' · ');
}
