/** What the large view says: the state of the station, and the newest part of each camera. */
import { ageOf } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';
import { labelOf, verdictWords } from '../shared/verdicts.js';

/** @import { StationEvent } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */

/** A part that is older says nothing about the line now, ms. */
const currentMs = 120_000;

/** @typedef {'waiting' | 'inspecting' | 'degraded' | 'stopped' | 'lost'} Level */

/** @type {Record<Level, {symbol: string, word: string}>} */
export const levelWords = {
  waiting: { symbol: '…', word: t('Waiting for the agent') },
  inspecting: { symbol: '●', word: t('Inspecting') },
  degraded: { symbol: '▲', word: t('Degraded') },
  stopped: { symbol: '■', word: t('Stopped') },
  lost: { symbol: '✕', word: t('Not connected') },
};

/** @param {StationEvent} event @returns {{level: Level, reason: string}} */
export function levelOf({ status, cameras }) {
  const down = cameras.filter(({ up }) => !up);
  const reasons = status.reasons.map(fromAgent).join(' · ');
  if (down.length > 0) {
    const names = down.map(({ name }) => t('camera {camera} is down', { camera: name }));
    return { level: 'stopped', reason: names.join(' · ') };
  }
  if (status.state === 'starting' || status.state === 'stopping' || status.model === 'none')
    return { level: 'stopped', reason: reasons || t('no model') };
  return { level: reasons === '' ? 'inspecting' : 'degraded', reason: reasons };
}

/**
 * Never good without a current part of a camera that delivers images.
 * @param {Result | undefined} newest @param {boolean} isUp whether its camera delivers images
 * @param {number} now by the clock of the agent, ms
 */
export function partView(newest, isUp, now) {
  const age = newest ? now - Date.parse(newest.capturedAt) : undefined;
  if (!newest || age === undefined || !isUp || age > currentMs) {
    const { symbol } = verdictWords.none;
    const detail = age === undefined ? t('no part yet') : t('last part {age}', { age: ageOf(age) });
    return { verdict: /** @type {const} */ ('none'), symbol, word: t('No part'), detail };
  }
  const detail = t('{label}, {age}', { label: labelOf(newest), age: ageOf(age) });
  return { verdict: newest.verdict, ...verdictWords[newest.verdict], detail };
}
