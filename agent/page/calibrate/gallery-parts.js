/** The elements of the gallery: the filter at the top, and one image of the list. */
import { frameThumbnailPath } from '../shared/api-client.js';
import { find, h, setText } from '../shared/dom.js';
import { countOf } from '../shared/format.js';
import { t } from '../shared/language.js';

/** @import { FramesPage, Overview } from '../../../calibration/views.ts' */

/** @typedef {FramesPage['items'][number]} Frame a labelled image */

/**
 * @param {HTMLElement} row
 * @param {(label: string | undefined) => void} onFilter undefined: all labels
 */
export function createFilter(row, onFilter) {
  /** @type {string | undefined} */
  let chosen;
  let drawn = '';
  /** @type {{name: string | undefined, button: HTMLButtonElement}[]} */
  let chips = [];
  const press = () => {
    for (const { name, button } of chips) button.setAttribute('aria-pressed', String(name === chosen));
  };
  /** @param {string | undefined} name */
  const choose = (name) => {
    chosen = name;
    press();
    onFilter(name);
  };
  /** @param {string | undefined} name @param {'all' | 'good' | 'bad'} tone */
  const chip = (name, tone) => {
    const symbol = { all: '', good: '✓ ', bad: '✕ ' }[tone];
    const button = h(
      'button',
      { class: 'chip', type: 'button', data: { tone }, onclick: () => choose(name) },
      `${symbol}${name ?? t('All')} `,
      h('span', { class: 'chip-count' }),
    );
    return { name, button };
  };
  return {
    choose,
    /** @param {Overview} overview */
    show({ labels, frames }) {
      const wanted = JSON.stringify(labels.map(({ name, good }) => [name, good]));
      if (wanted !== drawn) {
        drawn = wanted;
        chips = [
          chip(undefined, 'all'),
          ...labels.map(({ name, good }) => chip(name, good ? 'good' : 'bad')),
        ];
        row.replaceChildren(...chips.map(({ button }) => button));
        press();
      }
      for (const { name, button } of chips) {
        const count = name === undefined ? frames : labels.find((one) => one.name === name)?.count;
        setText(find(button, '.chip-count'), countOf(count ?? 0));
      }
    },
  };
}

/** @param {Frame} frame @param {boolean} isGood */
export function frameItem({ id, label, labelledBy, partId, marked }, isGood) {
  return h(
    'div',
    {
      class: 'frame',
      role: 'option',
      tabindex: -1,
      'aria-selected': 'false',
      'aria-label': nameOf(label, partId, labelledBy, marked),
      data: { id, label, marked, tone: isGood ? 'good' : 'bad' },
    },
    h('img', {
      src: frameThumbnailPath(id),
      alt: '',
      loading: 'lazy',
      decoding: 'async',
      width: 120,
      height: 96,
    }),
    h('span', { class: 'frame-tick', 'aria-hidden': 'true' }, '✓'),
    marked &&
      h('span', { class: 'frame-marked', title: t('The defect is marked'), 'aria-hidden': 'true' }, '◎'),
    h('span', { class: 'frame-label' }, `${isGood ? '✓' : '✕'} ${label}`),
  );
}

/** @param {string} label @param {string | null | undefined} partId @param {string} name @param {boolean} isMarked */
function nameOf(label, partId, name, isMarked) {
  const part = partId ? t('part {part}', { part: partId }) : '';
  const by = t('labelled by {name}', { name });
  return [label, part, by, isMarked ? t('marked') : ''].filter(Boolean).join(', ');
}
