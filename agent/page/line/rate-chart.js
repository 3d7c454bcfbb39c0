/** The p-chart: defect rates with control limits, changes and downtimes on one time axis. */
import { t } from '../shared/language.js';
import { s } from '../shared/svg.js';
import { changeLetters, changeText, downtimeText, groupName, rateOf, stationTimes } from './words.js';

/** @import { ChangeView, DowntimeView, GroupView, StatisticsView } from '../../statistics/views.ts' */

const height = 300;
const left = 52;
const right = 16;
const top = 34;
const bottom = 28;
const hourMs = 3_600_000;
/** Space of a label of the time axis, px. */
const labelWidth = 84;
/** Changes that are closer are marked together, px. */
const tagWidth = 16;

/**
 * @typedef {object} Shown
 * @property {StatisticsView} report
 * @property {readonly ChangeView[]} changes
 * @property {DowntimeView} downtime
 * @property {string | undefined} chosen start of the chosen group
 * @property {number} now by the clock of the agent, ms
 */

/**
 * @param {Shown} shown @param {number} width of its place, px
 * @param {(from: string) => void} onChoose called with the start of a group
 */
export function rateChart({ report, changes, downtime, chosen, now }, width, onChoose) {
  const { groups, by, reference } = report;
  const times = stationTimes(report.timeZone);
  const start = Date.parse(report.from);
  const end = Date.parse(report.to);
  const most = topOf(report);
  /** @param {number} at */
  const x = (at) =>
    left + ((Math.min(end, Math.max(start, at)) - start) / (end - start)) * (width - left - right);
  /** @param {number} rate */
  const y = (rate) => top + (1 - Math.min(rate, most) / most) * (height - top - bottom);
  /** @param {GroupView} group */
  const middle = ({ from, to }) => x((Date.parse(from) + Date.parse(to)) / 2);
  const judged = groups.filter(({ rate }) => rate !== null);

  const svg = s(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      height,
      role: 'img',
      'aria-label': wordsOf(report, changes, downtime),
    },
    s(
      'defs',
      {},
      s(
        'pattern',
        {
          id: 'stopped-pattern',
          width: 8,
          height: 8,
          patternUnits: 'userSpaceOnUse',
          patternTransform: 'rotate(45)',
        },
        s('rect', { width: 8, height: 8, fill: '#ff5b52', 'fill-opacity': 0.1 }),
        s('rect', { width: 2, height: 8, fill: '#ff5b52', 'fill-opacity': 0.35 }),
      ),
    ),
  );
  for (const interval of downtime.intervals.filter(({ stops }) => stops)) {
    const from = x(Date.parse(interval.from));
    const wide = Math.max(1.5, x(interval.to === null ? now : Date.parse(interval.to)) - from);
    const title = () => s('title', {}, downtimeText(interval));
    svg.append(
      s(
        'rect',
        { class: 'chart-down', x: from, y: top, width: wide, height: height - top - bottom },
        title(),
      ),
      s('rect', { class: 'chart-down-top', x: from, y: top - 5, width: wide, height: 5 }, title()),
    );
  }
  for (const rate of [0, most / 2, most]) {
    svg.append(
      s('path', { class: 'chart-grid', d: `M${left} ${y(rate)}H${width - right}` }),
      s('text', { x: left - 8, y: y(rate) + 4, 'text-anchor': 'end' }, rateOf(rate)),
    );
  }
  for (const { at, text } of ticks(start, end, (width - left - right) / labelWidth, times)) {
    svg.append(s('text', { x: x(at), y: height - 8, 'text-anchor': 'middle' }, text));
  }
  for (const { from, to, limits } of groups) {
    if (!limits) continue;
    const [a, b] = [x(Date.parse(from)), x(Date.parse(to))];
    svg.append(
      s('rect', {
        class: 'chart-band',
        x: a,
        y: y(limits.upper),
        width: b - a,
        height: y(limits.lower) - y(limits.upper),
      }),
      ...(limits.upper <= most
        ? [s('path', { class: 'chart-limit', d: `M${a} ${y(limits.upper)}H${b}` })]
        : []),
      ...(limits.lower > 0 ? [s('path', { class: 'chart-limit', d: `M${a} ${y(limits.lower)}H${b}` })] : []),
    );
  }
  if (reference)
    svg.append(s('path', { class: 'chart-centre', d: `M${left} ${y(reference.rate)}H${width - right}` }));
  for (const { at, letters, title } of tags(changes, x)) {
    svg.append(
      s(
        'g',
        {},
        s('title', {}, title),
        s('path', { class: 'chart-change', d: `M${at} ${top - 6}V${height - bottom}` }),
        s('text', { class: 'chart-tag', x: at, y: top - 12 }, letters),
      ),
    );
  }
  svg.append(
    s('path', {
      class: 'chart-line',
      d: judged.map((group, i) => `${i === 0 ? 'M' : 'L'}${middle(group)} ${y(group.rate ?? 0)}`).join(''),
    }),
  );
  for (const group of judged) {
    const at = { x: middle(group), y: y(group.rate ?? 0) };
    const title = t('{group}: {rate}, {fail} of {judged} parts', {
      group: groupName(group, by, times),
      rate: rateOf(group.rate),
      fail: group.fail,
      judged: group.judged,
    });
    if (group.from === chosen) svg.append(s('circle', { class: 'chart-chosen', cx: at.x, cy: at.y, r: 11 }));
    svg.append(
      point(at, group.outside),
      s(
        'circle',
        { class: 'chart-hit', cx: at.x, cy: at.y, r: 22, 'data-from': group.from },
        s('title', {}, title),
      ),
    );
  }
  svg.addEventListener('click', (event) => {
    const from = event.target instanceof Element ? event.target.getAttribute('data-from') : null;
    if (from !== null) onChoose(from);
  });
  return svg;
}

/** A circle within the limits, a triangle outside. @param {{x: number, y: number}} at @param {GroupView['outside']} outside */
function point({ x, y }, outside) {
  if (outside === null) return s('circle', { class: 'chart-point', cx: x, cy: y, r: 5 });
  const up = outside === 'above' ? -1 : 1;
  return s('path', {
    class: 'chart-point',
    'data-outside': outside,
    d: `M${x} ${y + 9 * up}L${x + 9} ${y - 7 * up}H${x - 9}z`,
  });
}

/** The upper end of the axis. The limits of groups with few parts may lie beyond it. @param {StatisticsView} report */
function topOf({ groups, reference }) {
  const uppers = groups.flatMap(({ limits }) => limits?.upper ?? []).sort((a, b) => a - b);
  const typical = uppers[Math.floor(uppers.length / 2)] ?? 0;
  const most = Math.max(0.01, typical, (reference?.rate ?? 0) * 1.5, ...groups.map(({ rate }) => rate ?? 0));
  return [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8].find((one) => one >= most * 1.05) ?? 1;
}

/**
 * @param {number} start @param {number} end @param {number} places number of labels that fit
 * @param {import('./words.js').StationTimes} times
 */
function ticks(start, end, places, times) {
  const hours = (end - start) / hourMs;
  const step =
    [1, 2, 3, 6, 12, 24].find((one) => hours / one <= places) ?? 24 * Math.ceil(hours / 24 / places);
  /** @type {{at: number, text: string}[]} */
  const found = [];
  let days = 0;
  for (let at = Math.ceil(start / hourMs) * hourMs; at < end; at += hourMs) {
    const hour = times.hour(at);
    const isDay = hour === 0;
    if (isDay) days++;
    const isShown = step < 24 ? hour % step === 0 : isDay && days % (step / 24) === 0;
    if (isShown) found.push({ at, text: isDay ? times.day(at) : times.clock(at) });
  }
  return found;
}

/** @param {readonly ChangeView[]} changes @param {(at: number) => number} x */
function tags(changes, x) {
  /** @type {{at: number, kinds: Set<string>, texts: string[]}[]} */
  const found = [];
  for (const change of changes) {
    const at = x(Date.parse(change.at));
    const last = found.at(-1);
    if (last && at - last.at < tagWidth) {
      last.kinds.add(changeLetters[change.kind]);
      last.texts.push(changeText(change));
    } else found.push({ at, kinds: new Set([changeLetters[change.kind]]), texts: [changeText(change)] });
  }
  return found.map(({ at, kinds, texts }) => ({
    at,
    letters: kinds.size > 2 ? '+' : [...kinds].join(''),
    title: texts.join('\n'),
  }));
}

/** @param {StatisticsView} report @param {readonly ChangeView[]} changes @param {DowntimeView} downtime */
function wordsOf({ groups, total }, changes, downtime) {
  return t(
    'Defect rate {rate}; points outside of the limits: {outside} of {groups}; changes: {changes}; downtimes: {downtimes}. The figures are in the table below.',
    {
      rate: rateOf(total.rate),
      outside: groups.filter(({ outside }) => outside !== null).length,
      groups: groups.filter(({ rate }) => rate !== null).length,
      changes: changes.length,
      downtimes: downtime.intervals.length,
    },
  );
}
