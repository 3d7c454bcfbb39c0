/** The panels of the line page that are text: summary, changes, downtime, table of figures, CSV. */
import { h } from '../shared/dom.js';
import { countOf } from '../shared/format.js';
import { t, tn } from '../shared/language.js';
import {
  changeLetters,
  changeText,
  downtimeText,
  durationOf,
  groupName,
  rateOf,
  stationTimes,
} from './words.js';

/** @import { ChangeView, DowntimeView, GroupView, StatisticsView } from '../../statistics/views.ts' */

/** @typedef {Pick<GroupView, 'parts' | 'judged' | 'pass' | 'fail' | 'uncertain' | 'untrained' | 'unjudged' | 'rate' | 'interval'> & Partial<GroupView>} Tally */

/** @param {Tally} tally a group, or the whole time */
export function summary(tally) {
  const { judged, pass, fail, uncertain, untrained, unjudged, rate, interval, limits, outside } = tally;
  const counts = [
    { word: t('Judged'), count: judged, verdict: 'none' },
    { word: t('Pass'), count: pass, verdict: 'pass' },
    { word: t('Fail'), count: fail, verdict: 'fail' },
    { word: t('Uncertain'), count: uncertain, verdict: 'uncertain' },
  ];
  return h(
    'div',
    {},
    h(
      'p',
      { class: 'rate' },
      h('span', { class: 'rate-number' }, rateOf(rate)),
      interval &&
        h(
          'span',
          { class: 'hint' },
          t('95 % interval: {low} to {high}', { low: rateOf(interval.low), high: rateOf(interval.high) }),
        ),
      limits && mark(outside ?? null),
    ),
    h(
      'dl',
      { class: 'tally' },
      ...counts.map(({ word, count, verdict }) =>
        h('div', { data: { verdict } }, h('dt', {}, word), h('dd', {}, countOf(count))),
      ),
    ),
    h(
      'div',
      { class: 'line-notes hint' },
      h('p', {}, t('Defect rate: failed parts divided by judged parts.')),
      untrained > 0 &&
        h(
          'p',
          {},
          tn(
            '{n} part from before a model existed is not counted in it.',
            '{n} parts from before a model existed are not counted in it.',
            untrained,
          ),
        ),
      unjudged > 0 &&
        h(
          'p',
          {},
          tn(
            '{n} part that could not be judged is not counted in it.',
            '{n} parts that could not be judged are not counted in it.',
            unjudged,
          ),
        ),
    ),
  );
}

/** @param {GroupView['outside']} outside */
function mark(outside) {
  const words = {
    above: t('▲ more than chance explains'),
    below: t('▼ less than chance explains'),
    none: t('● within the limits'),
  };
  return h('span', { class: 'rate-mark', data: { outside: outside ?? 'none' } }, words[outside ?? 'none']);
}

/** @param {readonly ChangeView[]} changes @param {string} timeZone */
export function changeList(changes, timeZone) {
  const times = stationTimes(timeZone);
  if (changes.length === 0) return h('p', { class: 'hint' }, t('Nothing was changed in this time.'));
  const rows = changes
    .toReversed()
    .map((change) =>
      h(
        'li',
        {},
        h('span', { 'aria-hidden': 'true' }, changeLetters[change.kind]),
        h('time', { datetime: change.at }, times.dayAndClock(change.at)),
        h('p', {}, changeText(change)),
      ),
    );
  return h('ul', { class: 'events', tabindex: 0 }, ...rows);
}

/** @param {DowntimeView} downtime @param {string} timeZone @param {number} now */
export function downtimeList({ stopped, intervals }, timeZone, now) {
  const times = stationTimes(timeZone);
  const rows = intervals.toReversed().map((interval) => {
    const { from, to, stops } = interval;
    const seconds = ((to === null ? now : Date.parse(to)) - Date.parse(from)) / 1_000;
    return h(
      'li',
      { class: stops ? 'is-stopped' : 'is-limited' },
      h(
        'span',
        { role: 'img', 'aria-label': stops ? t('Inspection stopped') : t('Inspection went on') },
        stops ? '■' : '▲',
      ),
      h('time', { datetime: from }, times.dayAndClock(from)),
      h(
        'p',
        {},
        downtimeText(interval),
        ' ',
        h(
          'span',
          { class: 'lasted' },
          to === null
            ? t('({duration} so far)', { duration: durationOf(seconds) })
            : `(${durationOf(seconds)})`,
        ),
      ),
    );
  });
  return h(
    'div',
    {},
    h('p', { class: 'downtime-total' }, stopped > 0 ? durationOf(stopped) : t('none')),
    h(
      'p',
      { class: 'hint' },
      t('Time in which parts could not be judged (■). ▲ marks problems during which the inspection went on.'),
    ),
    rows.length > 0 && h('ul', { class: 'events', tabindex: 0 }, ...rows),
  );
}

/** @param {StatisticsView} report */
export function figuresTable({ groups, by, timeZone }) {
  const times = stationTimes(timeZone);
  const columns = [
    t('Time'),
    t('Judged'),
    t('Fail'),
    t('Uncertain'),
    t('Defect rate'),
    t('Lower limit'),
    t('Upper limit'),
    t('Outside'),
  ];
  const outsideWords = { above: t('▲ above'), below: t('▼ below') };
  const table = h(
    'table',
    { class: 'figures' },
    h('thead', {}, h('tr', {}, ...columns.map((column) => h('th', { scope: 'col' }, column)))),
    h(
      'tbody',
      {},
      ...groups
        .toReversed()
        .map((group) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, groupName(group, by, times)),
            ...[
              countOf(group.judged),
              countOf(group.fail),
              countOf(group.uncertain),
              rateOf(group.rate),
              rateOf(group.limits?.lower ?? null),
              rateOf(group.limits?.upper ?? null),
              group.outside ? outsideWords[group.outside] : '',
            ].map((text) => h('td', {}, text)),
          ),
        ),
    ),
  );
  return h('div', { class: 'wide', tabindex: 0, role: 'group', 'aria-label': t('All figures') }, table);
}

/** The groups as CSV (RFC 4180), with field names as in the API. @param {StatisticsView} report */
export function csvOf({ groups }) {
  const header = [
    ...['from', 'to', 'name', 'parts', 'judged', 'pass', 'fail', 'uncertain', 'untrained', 'unjudged'],
    ...['rate', 'interval_low', 'interval_high', 'limit_lower', 'limit_upper', 'outside'],
  ];
  const rows = groups.map((group) => [
    group.from,
    group.to,
    group.name,
    group.parts,
    group.judged,
    group.pass,
    group.fail,
    group.uncertain,
    group.untrained,
    group.unjudged,
    group.rate ?? '',
    group.interval?.low ?? '',
    group.interval?.high ?? '',
    group.limits?.lower ?? '',
    group.limits?.upper ?? '',
    group.outside ?? '',
  ]);
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

/** @param {string | number} value */
const field = (value) =>
  /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value;
