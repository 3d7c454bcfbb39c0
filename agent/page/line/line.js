/** The line page: how the shift went, whether that is more than chance, what was changed, and what stood still. */
import { createStationBar } from '../live/station-bar.js';
import { errorText, get } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { followEvents } from '../shared/events.js';
import { countOf } from '../shared/format.js';
import { t } from '../shared/language.js';
import { checkSession, showUser } from '../shared/user.js';
import { changeList, csvOf, downtimeList, figuresTable, summary } from './panels.js';
import { createPareto } from './pareto.js';
import { rateChart } from './rate-chart.js';
import { groupName, rateOf, stationTimes } from './words.js';

/** @import { StationEvent } from '../../http/views.ts' */
/** @import { ChangeView, DowntimeView, Grouping, StatisticsView } from '../../statistics/views.ts' */

/** Interval at which the counts are read again, ms. */
const everyMs = 15_000;
const storageKey = 'qc-line-by';
/** @type {readonly Grouping[]} */
const groupings = ['hour', 'shift', 'day', 'lot'];
/** The whole time that is shown, as a choice. */
const whole = 'whole';

const bar = createStationBar({
  name: byId('station-name'),
  state: byId('state'),
  facts: byId('facts'),
  banner: byId('banner'),
});
const pareto = createPareto(byId('pareto'));
const chartPlace = byId('chart');
const groupSelect = byId('group', HTMLSelectElement);
const cameraSelect = byId('camera', HTMLSelectElement);
const recipeSelect = byId('recipe', HTMLSelectElement);

/** @type {Grouping} */
let by = groupings.find((one) => one === storedGrouping()) ?? 'shift';
/** Start of the chosen group, or `whole`; undefined: the newest. @type {string | undefined} */
let choice;
/** @type {{report: StatisticsView, changes: ChangeView[], downtime: DowntimeView} | undefined} */
let shown;
/** Clock of the agent minus clock of this browser, ms. */
let clockOffset = 0;
/** Incremented with each request, so that a late answer does not appear under another choice. */
let requests = 0;
let station = '';

function storedGrouping() {
  try {
    return localStorage.getItem(storageKey);
  } catch {
    return null;
  }
}

const now = () => Date.now() + clockOffset;

/** The filters that are set. */
function filters() {
  const query = new URLSearchParams({ by });
  if (cameraSelect.value !== '') query.set('camera', cameraSelect.value);
  if (recipeSelect.value !== '') query.set('recipe', recipeSelect.value);
  return query;
}

async function load() {
  const own = ++requests;
  try {
    /** @type {StatisticsView} */
    const report = await get(`api/v1/statistics?${filters()}`);
    const range = new URLSearchParams({ from: report.from, to: report.to });
    /** @type {[ChangeView[], DowntimeView]} */
    const [changes, downtime] = await Promise.all([
      get(`api/v1/statistics/changes?${range}`),
      get(`api/v1/statistics/downtime?${range}`),
    ]);
    if (own !== requests) return;
    shown = { report, changes, downtime };
    show();
    await showDefects(own);
  } catch (error) {
    if (own === requests) setText(byId('since'), errorText(error));
  }
}

/** The defects of the chosen group. @param {number} own */
async function showDefects(own) {
  if (!shown) return;
  const { report } = shown;
  const group = chosenGroup();
  if (!group) return pareto.show(report, cameraSelect.value);
  const query = filters();
  query.set('from', group.from);
  query.set('to', group.to);
  /** @type {StatisticsView} */
  const ofGroup = await get(`api/v1/statistics?${query}`);
  if (own === requests) await pareto.show(ofGroup, cameraSelect.value);
}

/** Undefined: the whole time. */
function chosenGroup() {
  if (!shown || choice === whole) return undefined;
  const { groups } = shown.report;
  const newest = by === 'hour' ? undefined : groups.at(-1);
  return groups.find(({ from }) => from === choice) ?? newest;
}

function show() {
  if (!shown) return;
  const { report, changes, downtime } = shown;
  const times = stationTimes(report.timeZone);
  for (const button of document.querySelectorAll('[data-by]'))
    button.setAttribute('aria-pressed', String(button.getAttribute('data-by') === by));
  fillGroups(report);
  fillFilter(cameraSelect, report.cameras);
  fillFilter(recipeSelect, report.recipes);
  const group = chosenGroup();
  const title = group ? groupName(group, by, times) : t('Whole time shown');
  setText(byId('summary-title'), t('Defect rate: {group}', { group: title }));
  byId('summary').replaceChildren(summary(group ?? report.total));
  setText(byId('since'), sinceText(report, times));
  setText(byId('chart-words'), limitsText(report));
  byId('figures').replaceChildren(figuresTable(report));
  byId('changes').replaceChildren(changeList(changes, report.timeZone));
  byId('downtime').replaceChildren(downtimeList(downtime, report.timeZone, now()));
  drawChart();
}

function drawChart() {
  const width = chartPlace.clientWidth;
  if (!shown || width === 0) return;
  const chart = rateChart({ ...shown, chosen: chosenGroup()?.from, now: now() }, width, choose);
  chartPlace.replaceChildren(chart);
}

/** @param {StatisticsView} report @param {import('./words.js').StationTimes} times */
function sinceText({ since, gaps, from }, times) {
  if (since === null) return t('No part has been counted yet.');
  const missing = gaps.reduce((sum, { atMost }) => sum + atMost, 0);
  const values = {
    since: times.dayAndClock(since),
    from: times.dayAndClock(from),
    missing: countOf(missing),
  };
  return missing > 0
    ? t(
        'Counting since {since}. Shown from {from}. Parts missing at most, because the agent ended unexpectedly: {missing}.',
        values,
      )
    : t('Counting since {since}. Shown from {from}.', values);
}

/** @param {StatisticsView} report */
function limitsText({ reference }) {
  if (!reference) return t('Limits appear when 20 parts have been judged.');
  const values = { rate: rateOf(reference.rate), judged: countOf(reference.judged) };
  return reference.kind === 'before'
    ? t(
        'Between the dotted limits, chance alone explains the differences (99.7 %); a triangle outside of them is a reason to look for a cause. Centre line: {rate}, from {judged} parts of the week before.',
        values,
      )
    : t(
        'Between the dotted limits, chance alone explains the differences (99.7 %); a triangle outside of them is a reason to look for a cause. Centre line: {rate}, from the {judged} parts shown, because the week before has too few.',
        values,
      );
}

/** @param {StatisticsView} report */
function fillGroups({ groups, timeZone }) {
  const times = stationTimes(timeZone);
  const options = [
    { value: whole, text: t('Whole time shown') },
    ...groups.toReversed().map((group) => ({ value: group.from, text: groupName(group, by, times) })),
  ];
  fill(groupSelect, options);
  groupSelect.value = chosenGroup()?.from ?? whole;
}

/** Shows a filter only if there is something to choose. @param {HTMLSelectElement} select @param {readonly string[]} names */
function fillFilter(select, names) {
  // While one is chosen, the report has no other.
  if (select.value !== '') return;
  fill(select, [{ value: '', text: t('all') }, ...names.map((name) => ({ value: name, text: name }))]);
  const label = select.closest('label');
  if (label) label.hidden = names.length < 2;
}

/** @param {HTMLSelectElement} select @param {readonly {value: string, text: string}[]} options */
function fill(select, options) {
  const key = JSON.stringify(options);
  // An open list would close.
  if (select.dataset.key === key) return;
  select.dataset.key = key;
  const before = select.value;
  select.replaceChildren(...options.map(({ value, text }) => h('option', { value }, text)));
  if (options.some(({ value }) => value === before)) select.value = before;
}

/** @param {string} from */
function choose(from) {
  choice = from;
  show();
  void showDefects(requests).catch(() => undefined);
}

function downloadCsv() {
  if (!shown) return;
  const url = URL.createObjectURL(new Blob([csvOf(shown.report)], { type: 'text/csv' }));
  const link = h('a', {
    href: url,
    download: `${station || 'line'}-${by}-${shown.report.to.slice(0, 10)}.csv`,
  });
  link.click();
  URL.revokeObjectURL(url);
}

/** @type {[string, string][]} */
const legend = [
  ['●', t('defect rate')],
  ['▲▼', t('outside of the limits')],
  ['┅', t('control limits')],
  ['╌', t('centre line')],
  ['▨', t('inspection stopped')],
  ['M', t('model')],
  ['R', t('recipe')],
  ['C', t('settings')],
  ['K', t('calibration on or off')],
  ['S', t('start of the agent')],
];
byId('legend').replaceChildren(...legend.map(([symbol, word]) => h('li', {}, h('b', {}, symbol), word)));

byId('choice').addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-by]') : null;
  const wanted = groupings.find((one) => one === button?.getAttribute('data-by'));
  if (!wanted) return;
  by = wanted;
  choice = undefined;
  try {
    localStorage.setItem(storageKey, by);
  } catch {
    // Without storage the next visit begins with shifts.
  }
  void load();
});
byId('choice').addEventListener('submit', (event) => event.preventDefault());
groupSelect.addEventListener('change', () => choose(groupSelect.value));
for (const select of [cameraSelect, recipeSelect]) select.addEventListener('change', () => void load());
byId('csv').addEventListener('click', downloadCsv);
new ResizeObserver(drawChart).observe(chartPlace);

await showUser();
followEvents('api/v1/events?only=labelling', {
  onConnection(isUp) {
    if (isUp) return void load();
    bar.showLost();
    void checkSession();
  },
  /** @param {StationEvent} event */
  onStation(event) {
    clockOffset = event.at - Date.now();
    station = event.station;
    bar.show(event);
  },
});
setInterval(() => {
  if (!document.hidden) void load();
}, everyMs);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void load();
});
