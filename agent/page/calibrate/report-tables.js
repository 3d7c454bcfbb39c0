/** The tables of a report: what was mistaken for what, and how well each label is found. */
import { h } from '../shared/dom.js';
import { percentOf } from '../shared/verdicts.js';

/** @param {{labels: string[], confusion: number[][]}} report */
export function confusionTable({ labels, confusion }) {
  const rows = confusion.map((row, is) => {
    const all = Math.max(
      1,
      row.reduce((sum, count) => sum + count, 0),
    );
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, labels[is]),
      ...row.map((count, said) => {
        const kind = count === 0 ? 'zero' : is === said ? 'right' : 'wrong';
        const cell = h('td', { data: { kind } }, String(count));
        // The fuller the cell, the stronger its tint.
        cell.style.setProperty('--share', String(Math.round(20 + 60 * (count / all))));
        return cell;
      }),
    );
  });
  return wide(
    'What was mistaken for what',
    h(
      'table',
      { class: 'confusion' },
      h('caption', {}, 'Each row: what the parts are. Each column: what was said.'),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'is ↓ said →'),
          ...labels.map((label) => h('th', { scope: 'col' }, label)),
        ),
      ),
      h('tbody', {}, ...rows),
    ),
  );
}

/** @param {{perLabel: {label: string, precision: number, recall: number, f1: number, count: number}[]}} report */
export function labelTable({ perLabel }) {
  const heads = ['Label', 'Parts', 'Precision', 'Recall', 'F1'];
  return wide(
    'How well each label is found',
    h(
      'table',
      { class: 'per-label' },
      h(
        'caption',
        {},
        'Precision: of those called so, how many are. Recall: of those that are, how many were found.',
      ),
      h('thead', {}, h('tr', {}, ...heads.map((head) => h('th', { scope: 'col' }, head)))),
      h(
        'tbody',
        {},
        ...perLabel.map(({ label, count, precision, recall, f1 }) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, label),
            h('td', {}, String(count)),
            ...[precision, recall, f1].map((share) => h('td', {}, percentOf(share, 0))),
          ),
        ),
      ),
    ),
  );
}

/** With many labels the table scrolls, not the page. */
const wide = (title, table) =>
  h(
    'section',
    { class: 'panel' },
    h('h3', {}, title),
    h('div', { class: 'wide', tabindex: 0, role: 'group', 'aria-label': title }, table),
  );
