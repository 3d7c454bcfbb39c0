/** The result of a comparison of bases: the recommendation in words, then the figures. */
import { h } from '../shared/dom.js';
import { numberOf, percentOf, timeOf } from '../shared/format.js';
import { fromAgent, t, tn } from '../shared/language.js';

/** @import { BaseFigures, Comparison } from '../../../calibration/compare/comparison.ts' */

/** @param {Comparison} comparison @param {(name: string) => void} onSwitch */
export function comparisonTable(comparison, onSwitch) {
  const { sentence, details, recommended, failed, bases, frames, folds, madeAt, seconds } = comparison;
  return h(
    'section',
    { class: 'panel', 'aria-label': t('Result of the comparison') },
    h(
      'p',
      { class: 'base-sentence', data: { recommended: String(recommended !== null) } },
      `${fromAgent(sentence)}.`,
    ),
    recommended !== null &&
      h(
        'button',
        {
          class: 'button is-primary',
          type: 'button',
          data: { needs: 'engineer' },
          onclick: () => onSwitch(recommended),
        },
        t('Switch to {name} …', { name: recommended }),
      ),
    h('ul', { class: 'details' }, ...details.map((one) => h('li', {}, fromAgent(one)))),
    failed.length > 0 &&
      h(
        'ul',
        { class: 'details' },
        ...failed.map(({ name, reason }) =>
          h('li', {}, t('{name} could not be compared: {reason}', { name, reason: fromAgent(reason) })),
        ),
      ),
    h(
      'div',
      { class: 'wide', tabindex: 0, role: 'region', 'aria-label': t('Figures of all bases') },
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
      tn(
        '{n} part, {folds} folds; {time}, {seconds} s. Accuracy is that of models which had not seen the part. A base is recommended only if it is significantly better.',
        '{n} parts, {folds} folds; {time}, {seconds} s. Accuracy is that of models which had not seen the part. A base is recommended only if it is significantly better.',
        frames,
        { folds, time: timeOf(madeAt), seconds: Math.round(seconds) },
      ),
    ),
  );
}

/** @type {readonly (readonly [title: string, hint: string])[]} */
const columns = [
  [t('Base'), ''],
  [t('Accuracy'), t('of parts that the model had not seen, with the 95 % interval')],
  [t('Bad parts that pass'), t('at the thresholds that training would choose')],
  [t('Uncertain'), t('parts that are neither passed nor failed')],
  [t('Good parts only'), t('AUROC of a model that knows good parts only')],
  [t('Over image statistics'), t('percentage points more than brightness, colour and edges alone')],
  [t('Time'), t('of one part, and the ratio to the base in use')],
  [t('8 bits'), t('time of one part with the 8-bit variant')],
  [t('Memory'), ''],
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
      h('small', {}, t('{low} to {high}', { low: percentOf(accuracy.low), high: percentOf(accuracy.high) })),
    ),
    h('td', {}, escapes ? t('{wrong} of {n}', { wrong: escapes.wrong, n: escapes.of }) : '–'),
    h('td', {}, percentOf(uncertain.rate)),
    h(
      'td',
      { title: goodOnlyMissing === null ? undefined : fromAgent(goodOnlyMissing) },
      goodOnly ? numberOf(goodOnly.auroc, 3) : '–',
    ),
    h('td', {}, `${points >= 0 ? '+' : '−'}${numberOf(Math.abs(points), 1)}`),
    h('td', {}, t('{n} ms', { n: numberOf(float.ms, 1) }), h('small', {}, `× ${numberOf(float.ratio, 2)}`)),
    h('td', {}, int8 ? t('{n} ms', { n: numberOf(int8.ms, 1) }) : '–'),
    h('td', {}, memory ? t('{n} MB', { n: memory.int8 ?? memory.float }) : '–'),
  );
}
