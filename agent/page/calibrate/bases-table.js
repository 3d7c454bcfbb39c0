/** The result of a comparison of bases: the recommendation in words, then the figures. */
import { h } from '../shared/dom.js';
import { counted, percentOf, timeOf } from '../shared/format.js';

/** @import { BaseFigures, Comparison } from '../../../calibration/compare/comparison.ts' */

/** @param {Comparison} comparison @param {(name: string) => void} onSwitch */
export function comparisonTable(comparison, onSwitch) {
  const { sentence, details, recommended, failed, bases, frames, folds, madeAt, seconds } = comparison;
  return h(
    'section',
    { class: 'panel', 'aria-label': 'Result of the comparison' },
    h('p', { class: 'base-sentence', data: { recommended: String(recommended !== null) } }, `${sentence}.`),
    recommended !== null &&
      h(
        'button',
        {
          class: 'button is-primary',
          type: 'button',
          data: { needs: 'engineer' },
          onclick: () => onSwitch(recommended),
        },
        `Switch to ${recommended} …`,
      ),
    h('ul', { class: 'details' }, ...details.map((one) => h('li', {}, one))),
    failed.length > 0 &&
      h(
        'ul',
        { class: 'details' },
        ...failed.map(({ name, reason }) => h('li', {}, `${name} could not be compared: ${reason}`)),
      ),
    h(
      'div',
      { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'Figures of all bases' },
      h(
        'table',
        {},
        h('thead', {}, h('tr', {}, ...columns.map(([title, hint]) => h('th', { title: hint }, title)))),
        h('tbody', {}, ...bases.map(row)),
      ),
    ),
    h(
      'p',
      { class: 'hint' },
      `${counted(frames, 'part')}, ${folds} folds; ${timeOf(madeAt)}, ${Math.round(seconds)} s. Accuracy is that of models which had not seen the part. A base is recommended only if it is significantly better.`,
    ),
  );
}

/** @type {readonly (readonly [title: string, hint: string])[]} */
const columns = [
  ['Base', ''],
  ['Accuracy', 'of parts that the model had not seen, with the 95 % interval'],
  ['Bad parts that pass', 'at the thresholds that training would choose'],
  ['Uncertain', 'parts that are neither passed nor failed'],
  ['Good parts only', 'AUROC of a model that knows good parts only'],
  ['Over image statistics', 'percentage points more than brightness, colour and edges alone'],
  ['Time', 'of one part, and the ratio to the base in use'],
  ['8 bits', 'time of one part with the 8-bit variant'],
  ['Memory', ''],
];

/** @param {BaseFigures} base */
function row({
  name,
  inUse,
  accuracy,
  escapes,
  uncertain,
  goodOnly,
  goodOnlyMissing,
  toStatistics,
  speed,
  memory,
}) {
  const { points } = toStatistics;
  const { float, int8 } = speed;
  return h(
    'tr',
    { data: { used: String(inUse) } },
    h('th', { scope: 'row' }, inUse ? `● ${name}` : name),
    h(
      'td',
      {},
      percentOf(accuracy.value),
      h('small', {}, `${percentOf(accuracy.low)} to ${percentOf(accuracy.high)}`),
    ),
    h('td', {}, escapes ? `${escapes.wrong} of ${escapes.of}` : '–'),
    h('td', {}, percentOf(uncertain.rate)),
    h('td', { title: goodOnlyMissing ?? undefined }, goodOnly ? goodOnly.auroc.toFixed(3) : '–'),
    h('td', {}, `${points >= 0 ? '+' : '−'}${Math.abs(points).toFixed(1)}`),
    h('td', {}, `${float.ms.toFixed(1)} ms`, h('small', {}, `× ${float.ratio.toFixed(2)}`)),
    h('td', {}, int8 ? `${int8.ms.toFixed(1)} ms` : '–'),
    h('td', {}, memory ? `${memory.int8 ?? memory.float} MB` : '–'),
  );
}
