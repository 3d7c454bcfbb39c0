/** The learning curve of a version: accuracy by labels per class, measured and estimated for more labels. */
import { h } from '../shared/dom.js';
import { capital, numberOf, percentOf } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';

/** @import { Report } from '../../../calibration/train/report.ts' */
/** @typedef {NonNullable<Report['learning']>} Learning */

const namespace = 'http://www.w3.org/2000/svg';
const width = 480;
const height = 210;
const left = 52;
const right = 14;
const top = 12;
const bottom = 36;

/** @param {Report} report */
export function learningPanel({ learning }) {
  if (!learning) return '';
  const { sentence, points, expected } = learning;
  return h(
    'section',
    { class: 'panel' },
    h('h3', {}, t('More labels')),
    h('p', {}, `${capital(fromAgent(sentence))}.`),
    points.length > 0 && chart(learning),
    points.length > 0 &&
      h(
        'p',
        { class: 'hint' },
        t(
          'Accuracy on parts that were not used for training, by number of labels per class. Dots: measured with fewer labels. Line and band: estimate with its 80 % interval.',
        ),
      ),
    expected.length > 0 && expectedTable(learning),
  );
}

/** The chart's content as a table, for screen readers and exact figures. @param {Learning} learning */
function expectedTable({ expected, byLabel }) {
  /** @param {{value: number, low: number, high: number}} estimate */
  const points = ({ value, low, high }) =>
    t('{value} ({low} to {high})', {
      value: numberOf(value * 100, 1),
      low: numberOf(low * 100, 1),
      high: numberOf(high * 100, 1),
    });
  const hasEscapes = expected.some(({ escapes }) => escapes !== null);
  const columns = [
    t('More labels per class'),
    t('Accuracy rises by'),
    ...(hasEscapes ? [t('Escape rate falls by')] : []),
  ];
  const gaining = byLabel.filter(({ recall }) => recall.value >= 0.01).slice(0, 3);
  return h(
    'div',
    {},
    h(
      'div',
      { class: 'wide', tabindex: 0, role: 'group', 'aria-label': t('What more labels would gain') },
      h(
        'table',
        { class: 'per-label' },
        h('thead', {}, h('tr', {}, ...columns.map((column) => h('th', { scope: 'col' }, column)))),
        h(
          'tbody',
          {},
          ...expected.map(({ more, accuracy, escapes }) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, `+${more}`),
              h('td', {}, points(accuracy)),
              hasEscapes && h('td', {}, escapes ? points(escapes) : '–'),
            ),
          ),
        ),
      ),
    ),
    gaining.length > 0 &&
      h(
        'p',
        { class: 'hint' },
        t('In percentage points. Labels that would improve most: {labels}.', {
          labels: gaining
            .map(({ label, more, recall }) =>
              t('{label} (recognised parts rise by {n} points with {more} more labels)', {
                label,
                n: Math.round(recall.value * 100),
                more,
              }),
            )
            .join(', '),
        }),
      ),
  );
}

/** @param {Learning} learning */
function chart({ points, curve, now, sentence }) {
  const element = document.createElementNS(namespace, 'svg');
  element.setAttribute('class', 'learning');
  element.setAttribute('viewBox', `0 0 ${width} ${height}`);
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', t('Learning curve: {sentence}', { sentence: fromAgent(sentence) }));
  /** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
  const draw = (name, attributes, text) => {
    const node = document.createElementNS(namespace, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    if (text !== undefined) node.textContent = text;
    element.append(node);
  };
  const most = Math.max(...curve.map(({ labels }) => labels));
  const least = Math.min(...curve.map(({ low }) => low), ...points.map(({ accuracy }) => accuracy));
  // Whole tenths, so that the axis ends at labelled values.
  const floor = Math.min(0.9, Math.floor(least * 10) / 10);
  /** @param {number} labels */
  const x = (labels) => left + (labels / most) * (width - left - right);
  /** @param {number} accuracy */
  const y = (accuracy) => top + ((1 - accuracy) / (1 - floor)) * (height - top - bottom);

  for (const accuracy of [floor, (floor + 1) / 2, 1]) {
    draw('path', { class: 'learning-grid', d: `M${left} ${y(accuracy)}H${width - right}` });
    const at = { x: left - 8, y: y(accuracy) + 4, 'text-anchor': 'end' };
    draw('text', at, percentOf(accuracy, 0));
  }
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000].find((one) => most / one <= 6) ?? 2_000;
  for (let labels = 0; labels <= most; labels += step)
    draw('text', { x: x(labels), y: height - 18, 'text-anchor': 'middle' }, String(labels));
  draw('text', { x: width - right, y: height - 3, 'text-anchor': 'end' }, t('labels per class'));

  /** @param {{labels: number}} at @param {number} accuracy */
  const corner = ({ labels }, accuracy) => `${x(labels).toFixed(1)} ${y(accuracy).toFixed(1)}`;
  const upper = curve.map((one) => corner(one, one.high));
  const lower = curve.map((one) => corner(one, one.low)).reverse();
  draw('path', { class: 'learning-band', d: `M${[...upper, ...lower].join('L')}z` });
  draw('path', { class: 'learning-line', d: `M${curve.map((one) => corner(one, one.accuracy)).join('L')}` });
  draw('path', { class: 'learning-now', d: `M${x(now)} ${top}V${height - bottom}` });
  draw('text', { x: x(now) + 4, y: top + 10 }, t('now'));
  for (const { labels, accuracy, deviation } of points) {
    const [best, worst] = [y(Math.min(1, accuracy + deviation)), y(Math.max(floor, accuracy - deviation))];
    draw('path', { class: 'learning-whisker', d: `M${x(labels)} ${best}V${worst}` });
    draw('circle', { class: 'learning-dot', cx: x(labels), cy: y(accuracy), r: 4 });
  }
  return element;
}
