/** The tables of a report: confusion matrix, and precision and recall of each label. */
import { h } from '../shared/dom.js';
import { countOf, percentOf } from '../shared/format.js';
import { t } from '../shared/language.js';

/** @import { Report } from '../../../calibration/train/report.ts' */

/** @param {Pick<Report, 'labels' | 'confusion'>} report */
export function confusionTable({ labels, confusion }) {
  const rows = confusion.map((row, actual) => {
    const total = Math.max(
      1,
      row.reduce((sum, count) => sum + count, 0),
    );
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, labels[actual]),
      ...row.map((count, predicted) => {
        const kind = count === 0 ? 'zero' : actual === predicted ? 'right' : 'wrong';
        const cell = h('td', { data: { kind } }, countOf(count));
        // The larger the share of the row, the stronger the tint.
        cell.style.setProperty('--share', String(Math.round(20 + 60 * (count / total))));
        return cell;
      }),
    );
  });
  return tablePanel(
    t('Confusion matrix'),
    h(
      'table',
      { class: 'confusion' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, t('actual ↓ predicted →')),
          ...labels.map((label) => h('th', { scope: 'col' }, label)),
        ),
      ),
      h('tbody', {}, ...rows),
    ),
    t('Rows: what the part is. Columns: the most probable label, before the thresholds are applied.'),
  );
}

/** @param {Pick<Report, 'perLabel'>} report */
export function labelTable({ perLabel }) {
  const columns = [t('Label'), t('Parts'), t('Precision'), t('Recall'), 'F1'];
  return tablePanel(
    t('Accuracy of each label'),
    h(
      'table',
      { class: 'per-label' },
      h('thead', {}, h('tr', {}, ...columns.map((column) => h('th', { scope: 'col' }, column)))),
      h(
        'tbody',
        {},
        ...perLabel.map(({ label, count, precision, recall, f1 }) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, label),
            h('td', {}, countOf(count)),
            ...[precision, recall, f1].map((share) => h('td', {}, percentOf(share, 0))),
          ),
        ),
      ),
    ),
    t(
      'Precision: share of the parts given this label that really have it. Recall: share of the parts with this label that were found.',
    ),
  );
}

/** A table that scrolls by itself if it is wider than the page. @param {string} title @param {HTMLTableElement} table @param {string} note */
const tablePanel = (title, table, note) =>
  h(
    'section',
    { class: 'panel' },
    h('h3', {}, title),
    h('div', { class: 'wide', tabindex: 0, role: 'group', 'aria-label': title }, table),
    h('p', { class: 'hint' }, note),
  );
