/** Formats numbers, ages and times for people, as in the language of the page. */
import { locale, t, tn } from './language.js';

/** @param {number} ms */
export function ageOf(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return t('just now');
  if (seconds < 60) return t('{n} s ago', { n: Math.floor(seconds) });
  if (seconds < 3600) return t('{n} min ago', { n: Math.floor(seconds / 60) });
  return t('{n} h ago', { n: Math.floor(seconds / 3600) });
}

/** @type {Map<number, Intl.NumberFormat>} */
const formats = new Map();

/** @param {number} value @param {number} [digits] after the decimal point */
export function numberOf(value, digits = 0) {
  let format = formats.get(digits);
  if (!format) {
    format = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(digits, format);
  }
  return format.format(value);
}

/** @param {number | null} share 0 to 1 */
export function percentOf(share, digits = 1) {
  return share === null ? '–' : `${numberOf(share * 100, digits)} %`;
}

/** 12345 → 12,345 in English. @param {number} count */
export const countOf = (count) => numberOf(count);

/** "3 parts", for a number that stands alone. @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => tn(`{n} ${one}`, `{n} ${many}`, count);

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const dateAndTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const dayAndTime = new Intl.DateTimeFormat(locale, {
  month: 'short',
  day: 'numeric',
  hour: 'numeric',
  minute: '2-digit',
});
const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });

/** @param {string | null | undefined} iso @returns {string} empty for no time */
export const timeOf = (iso) => (iso ? dateAndTime.format(new Date(iso)) : '');

/** Like `timeOf`, without the year. @param {string} iso */
export const shortTimeOf = (iso) => dayAndTime.format(new Date(iso));

/** Time of day only. @param {string} iso */
export const clockOf = (iso) => clock.format(new Date(iso));

/** The parts of a list that are not empty, with dots between them. @param {...(string | false | null | undefined)} texts */
export const listed = (...texts) => texts.filter(Boolean).join(' · ');

/** Who started a task, and when. @param {string | null} by @param {string | null | undefined} iso */
export const startedText = (by, iso) =>
  by ? t('started by {name}, {time}', { name: by, time: timeOf(iso) }) : timeOf(iso);
