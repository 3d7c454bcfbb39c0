/** Formats numbers, ages and times for people. */
import { t } from './language.js';

/** @param {number} ms */
export function ageOf(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return t('just now');
  if (seconds < 60) return t('{n} s ago', { n: Math.floor(seconds) });
  if (seconds < 3600) return t('{n} min ago', { n: Math.floor(seconds / 60) });
  return t('{n} h ago', { n: Math.floor(seconds / 3600) });
}

/** @param {number | null} share 0 to 1 */
export function percentOf(share, digits = 1) {
  return share === null ? '–' : `${(share * 100).toFixed(digits)} %`;
}

/** 12345 → 12 345, with a thin space that does not break. @param {number} count */
export function countOf(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${countOf(count)} ${count === 1 ? one : many}`;

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {string | null | undefined} iso @returns {string} empty for no time */
export function timeOf(iso) {
  if (!iso) return '';
  return new Date(iso).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}

/** Like `timeOf`, without the year. @param {string} iso */
export function shortTimeOf(iso) {
  return new Date(iso).toLocaleString([], {
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
  });
}
