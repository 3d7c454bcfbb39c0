/** Words for groups, changes and downtimes. */
import { numberOf } from '../shared/format.js';
import { fromAgent, locale, t } from '../shared/language.js';

/** @import { ChangeView, DowntimeView, GroupView, Grouping } from '../../statistics/views.ts' */

/** Letters that mark changes in the chart and in the list. @type {Record<ChangeView['kind'], string>} */
export const changeLetters = { start: 'S', model: 'M', recipe: 'R', config: 'C', mode: 'K' };

/** @param {ChangeView} change */
export function changeText({ kind, before, after }) {
  switch (kind) {
    case 'start':
      return before === '' || before === after
        ? t('The agent was started (version {version})', { version: after })
        : t('The agent was started: version {before} → {after}', { before, after });
    case 'model':
      return t('Model: {before} → {after}', { before: modelName(before), after: modelName(after) });
    case 'recipe':
      return t('Recipe: {before} → {after}', { before, after });
    case 'config':
      return t('Settings changed: {sections}', { sections: after });
    default:
      return after === 'calibration' ? t('Calibration was switched on') : t('Calibration was switched off');
  }
}

/** @param {string} version */
const modelName = (version) => (version === 'none' ? t('no model') : version);

/** @param {DowntimeView['intervals'][number]} interval */
export function downtimeText({ kind, cause, reason }) {
  const why = fromAgent(reason);
  if (kind === 'agent') return why;
  return t('{cause}: {reason}', { cause, reason: why });
}

/** @param {number} seconds */
export function durationOf(seconds) {
  if (seconds < 60) return t('{n} s', { n: Math.round(seconds) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t('{n} min', { n: minutes });
  return t('{hours} h {minutes} min', { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/**
 * Formats times in the time zone of the station, which may differ from that of the browser.
 * @param {string} timeZone
 */
export function stationTimes(timeZone) {
  /** @param {Intl.DateTimeFormatOptions} options */
  const format = (options) => {
    const made = new Intl.DateTimeFormat(locale, { timeZone, ...options });
    return (/** @type {string | number} */ at) => made.format(new Date(at));
  };
  return {
    clock: format({ hour: 'numeric', minute: '2-digit' }),
    day: format({ weekday: 'short', day: 'numeric', month: 'short' }),
    dayAndClock: format({ day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' }),
    /** Hour of the local day, 0 to 23. */
    hour: (/** @type {number} */ at) =>
      Number(
        new Intl.DateTimeFormat('en-US', { timeZone, hour: 'numeric', hourCycle: 'h23' }).format(
          new Date(at),
        ),
      ),
  };
}
/** @typedef {ReturnType<typeof stationTimes>} StationTimes */

/** @param {GroupView} group @param {Grouping} by @param {StationTimes} times */
export function groupName({ name, from, to, running }, by, times) {
  const values = { name, day: times.day(from), from: times.clock(from), to: times.clock(to) };
  if (by === 'hour') return running ? t('{day}, {from} to now', values) : t('{day}, {from} to {to}', values);
  if (by === 'day') return running ? t('today, {day}', values) : values.day;
  if (by === 'lot') return t('{name}, {day}, {from}', values);
  return running ? t('{name}, {day}, {from} to now', values) : t('{name}, {day}, {from} to {to}', values);
}

/** A rate with its digits by its size: 0.4 %, 12 %. @param {number | null} rate */
export function rateOf(rate) {
  if (rate === null) return '–';
  const percent = rate * 100;
  return `${numberOf(percent, percent > 0 && percent < 10 ? 1 : percent === Math.round(percent) ? 0 : 1)} %`;
}
