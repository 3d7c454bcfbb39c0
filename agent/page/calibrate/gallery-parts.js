/** What the gallery is made of: the filter above, a frame in the list. */
import { frameThumb } from '../shared/api-client.js';
import { h, setText } from '../shared/dom.js';

/** @param {HTMLElement} row @param {(label: string | undefined) => void} onFilter undefined: all of them */
export function createFilter(row, onFilter) {
  let chosen;
  let drawn = '';
  const chip = ({ name, good }) => {
    const tone = name === undefined ? 'all' : good ? 'good' : 'bad';
    const symbol = { all: '', good: '✓ ', bad: '✕ ' }[tone];
    const onclick = () => choose(name);
    const words = `${symbol}${name ?? 'All'} `;
    return h(
      'button',
      { class: 'chip', type: 'button', data: { tone }, onclick },
      words,
      h('span', { class: 'chip-count' }),
    );
  };
  let names = [];
  const choose = (name) => {
    chosen = name;
    press();
    onFilter(name);
  };
  const press = () => {
    names.forEach((name, i) => {
      row.children[i].setAttribute('aria-pressed', String(name === chosen));
    });
  };
  return {
    choose,
    /** @param {{labels: {name: string, count: number, good: boolean}[], frames: number}} overview */
    show({ labels, frames }) {
      const chips = [{ name: undefined, count: frames }, ...labels];
      const wanted = JSON.stringify(labels.map(({ name, good }) => [name, good]));
      if (wanted !== drawn) {
        drawn = wanted;
        names = chips.map(({ name }) => name);
        row.replaceChildren(...chips.map(chip));
        press();
      }
      chips.forEach(({ count }, i) => {
        setText(row.children[i].querySelector('.chip-count'), String(count));
      });
    },
  };
}

/** One frame of the list. */
export function frameItem({ id, label, labelledBy, partId }, isGood) {
  return h(
    'div',
    {
      class: 'frame',
      role: 'option',
      tabindex: -1,
      'aria-selected': 'false',
      'aria-label': `${label}${partId ? `, part ${partId}` : ''}, labelled by ${labelledBy}`,
      data: { id, label, tone: isGood ? 'good' : 'bad' },
    },
    h('img', { src: frameThumb(id), alt: '', loading: 'lazy', decoding: 'async', width: 120, height: 96 }),
    h('span', { class: 'frame-tick', 'aria-hidden': 'true' }, '✓'),
    h('span', { class: 'frame-label' }, `${isGood ? '✓' : '✕'} ${label}`),
  );
}
