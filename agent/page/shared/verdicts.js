/** Words and symbols for verdicts and for states of the station. */

/** @import { Result, StationState } from '../../publish/messages.ts' */

/** @type {Record<Result['verdict'] | 'none', {word: string, symbol: string}>} */
export const verdictWords = {
  pass: { word: 'Pass', symbol: '✓' },
  fail: { word: 'Fail', symbol: '✕' },
  uncertain: { word: 'Uncertain', symbol: '?' },
  none: { word: 'No verdict', symbol: '–' },
};

/** `untrained`: degraded only because no model has been trained. */
/** @typedef {StationState | 'connecting' | 'lost' | 'untrained'} ShownState */

/** @type {Record<ShownState, {word: string, symbol: string}>} */
export const stateWords = {
  connecting: { word: 'Connecting', symbol: '…' },
  starting: { word: 'Starting', symbol: '…' },
  inspecting: { word: 'Inspecting', symbol: '●' },
  calibrating: { word: 'Calibrating', symbol: '◐' },
  untrained: { word: 'Not trained yet', symbol: '◐' },
  degraded: { word: 'Degraded', symbol: '▲' },
  stopping: { word: 'Stopping', symbol: '■' },
  lost: { word: 'No connection', symbol: '✕' },
};

/** The predicted label, or why there is none. @param {Pick<Result, 'state' | 'label'>} result */
export function labelOf({ state, label }) {
  if (state !== 'completed') return state === 'failed' ? 'not judged' : state;
  return label ?? 'no label';
}
