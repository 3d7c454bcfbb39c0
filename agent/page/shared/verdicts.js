/** Verdicts, states, ages and shares as a person reads them. */

export const verdictWords = {
  pass: { word: 'Pass', symbol: '✓' },
  fail: { word: 'Fail', symbol: '✕' },
  uncertain: { word: 'Uncertain', symbol: '?' },
  none: { word: 'No verdict', symbol: '–' },
};

export const stateWords = {
  connecting: { word: 'Connecting', symbol: '…' },
  starting: { word: 'Starting', symbol: '…' },
  inspecting: { word: 'Inspecting', symbol: '●' },
  calibrating: { word: 'Calibrating', symbol: '◐' },
  degraded: { word: 'Degraded', symbol: '▲' },
  stopping: { word: 'Stopping', symbol: '■' },
  lost: { word: 'No connection', symbol: '✕' },
};

/** @param {number} ms */
export function ageOf(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

/** @param {number | null} share 0 to 1 */
export function percentOf(share, digits = 1) {
  return share === null ? '–' : `${(share * 100).toFixed(digits)} %`;
}

/** @param {{pass: number, fail: number, uncertain: number}} counts */
export function defectRateOf({ pass, fail, uncertain }) {
  const all = pass + fail + uncertain;
  return all === 0 ? null : fail / all;
}

/** 12345 → 12 345, with a thin space that does not break. @param {number} count */
export function countOf(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** What stands under the big word: the label where it tells more than the verdict. */
export function labelOf(result) {
  if (result.state !== 'completed') return result.state === 'failed' ? 'not judged' : result.state;
  return result.label ?? 'no label';
}
