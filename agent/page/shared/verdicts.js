/** Words and symbols for verdicts and for states of the station. */
import { t } from './language.js';

/** @import { Result, StationState } from '../../publish/messages.ts' */

/** @type {Record<Result['verdict'] | 'none', {word: string, symbol: string}>} */
export const verdictWords = {
  pass: { word: t('Pass'), symbol: '✓' },
  fail: { word: t('Fail'), symbol: '✕' },
  uncertain: { word: t('Uncertain'), symbol: '?' },
  none: { word: t('No verdict'), symbol: '–' },
};

/** `untrained`: degraded only because no model has been trained. */
/** @typedef {StationState | 'connecting' | 'lost' | 'untrained'} ShownState */

/** @type {Record<ShownState, {word: string, symbol: string}>} */
export const stateWords = {
  connecting: { word: t('Connecting'), symbol: '…' },
  starting: { word: t('Starting'), symbol: '…' },
  inspecting: { word: t('Inspecting'), symbol: '●' },
  calibrating: { word: t('Calibrating'), symbol: '◐' },
  untrained: { word: t('Not trained yet'), symbol: '◐' },
  degraded: { word: t('Degraded'), symbol: '▲' },
  stopping: { word: t('Stopping'), symbol: '■' },
  lost: { word: t('No connection'), symbol: '✕' },
};

/** The predicted label, or why there is none. @param {Pick<Result, 'state' | 'label'>} result */
export function labelOf({ state, label }) {
  if (state !== 'completed') return state === 'failed' ? t('not judged') : t('aborted');
  return label ?? t('no label');
}
