/** A button for each label, with its number key, and a field for a new label. Many labels are grouped and can be searched. */
import { find, h, setText } from '../shared/dom.js';
import { countOf } from '../shared/format.js';
import { t, tn } from '../shared/language.js';
import { groupLabels, minToGroup } from './label-groups.js';

/** @import { LabelGroup } from './label-groups.js' */
/** @import { Label } from './overview.js' */

const numberKeys = 9;
/** Longer ones need the whole row, letters. */
const longWord = 10;
const longName = 20;

/** @param {{onPick: (label: string) => void}} options */
export function createLabelButtons({ onPick }) {
  const list = h('div', { class: 'picks-list', role: 'group', 'aria-label': t('Labels') });
  const search = h('input', {
    class: 'label-search',
    type: 'search',
    autocomplete: 'off',
    enterkeyhint: 'search',
    placeholder: t('Find a label'),
    'aria-label': t('Find a label'),
  });
  const found = h('p', { class: 'unseen', role: 'status' });
  const searchRow = h(
    'div',
    { class: 'new-label', hidden: true },
    h('kbd', { 'aria-hidden': 'true' }, 'F'),
    search,
  );
  const field = h('input', {
    class: 'new-label-field',
    maxlength: 64,
    autocomplete: 'off',
    enterkeyhint: 'done',
    placeholder: t('New label'),
    'aria-label': t('New label'),
  });
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    const label = field.value.trim();
    if (label === '') return;
    field.value = '';
    field.blur();
    onPick(label);
  };
  const form = h(
    'form',
    { class: 'new-label', onsubmit: submit },
    h('kbd', { 'aria-hidden': 'true' }, 'N'),
    field,
    h('button', { class: 'button', type: 'submit', 'aria-label': t('Add this new label') }, t('Add')),
  );
  /** @type {{name: string, button: HTMLButtonElement}[]} */
  let buttons = [];
  let drawn = '';
  let isDisabled = false;

  /** Shows only the labels that contain all typed words. */
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { name, button } of buttons) {
      button.hidden = !words.every((word) => name.toLowerCase().includes(word));
    }
    for (const group of list.children) {
      if (group instanceof HTMLElement) group.hidden = group.querySelector('.pick:not([hidden])') === null;
    }
    const count = matching().length;
    setText(found, words.length === 0 ? '' : tn('{n} label found', '{n} labels found', count));
  };
  const matching = () => buttons.filter(({ button }) => !button.hidden);
  /** @param {HTMLInputElement} input */
  const leave = (input) => {
    input.value = '';
    input.blur();
    filter();
  };
  search.addEventListener('input', filter);
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    // Only one label: no other can be meant.
    const [only, ...others] = matching();
    if (!only || others.length > 0 || isDisabled) return;
    leave(search);
    onPick(only.name);
  });
  for (const input of [field, search]) {
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      // Inside a dialog, Escape leaves the field and keeps the dialog open.
      event.preventDefault();
      leave(input);
    });
  }

  return {
    element: h('div', { class: 'pick-box' }, searchRow, found, list, form),
    focusField: () => field.focus(),
    focusSearch: () => search.focus(),
    /** @param {boolean} value true: nothing can be labelled now */
    disable(value) {
      isDisabled = value;
      for (const { button } of buttons) button.disabled = value;
      list.classList.toggle('is-off', value);
    },
    /** @param {readonly Label[]} labels */
    show(labels) {
      const wanted = JSON.stringify(labels.map(({ name, good }) => [name, good]));
      if (wanted !== drawn) {
        // Buttons are replaced only if the labels change: replacing or moving one while it is pressed would label the part wrongly.
        drawn = wanted;
        buttons = [];
        searchRow.hidden = labels.length < minToGroup;
        list.replaceChildren(...groupLabels(labels).map(groupElement));
        filter();
      }
      for (const { name, button } of buttons) {
        const count = labels.find((one) => one.name === name)?.count ?? 0;
        setText(find(button, '.pick-count'), countOf(count));
      }
    },
    /** The label of a number key. @param {KeyboardEvent} event @returns {string | undefined} */
    labelOf: ({ key }) => (/^[1-9]$/.test(key) ? buttons[Number(key) - 1]?.name : undefined),
  };

  /** @param {LabelGroup} group */
  function groupElement({ kind, prefix, items }) {
    const title = kind === 'favourites' ? t('Most used') : prefix;
    const elements = items.map(({ label, text }) => {
      const button = labelButton(label, text, buttons.length, isDisabled, onPick);
      buttons.push({ name: label.name, button });
      return button;
    });
    // A word must fit into its button.
    const isLong = items.some(
      ({ text }) => text.length > longName || text.split(/[\s-]/).some((word) => word.length > longWord),
    );
    return h(
      'div',
      { class: 'picks-group' },
      title !== '' && h('h3', { class: 'picks-title' }, title),
      h('div', { class: isLong ? 'picks is-long' : 'picks' }, ...elements),
    );
  }
}

/** @param {Label} label @param {string} text its name, or the part of it that distinguishes it in its group @param {number} index @param {boolean} isDisabled @param {(label: string) => void} onPick */
function labelButton({ name, good }, text, index, isDisabled, onPick) {
  const hasKey = index < numberKeys;
  return h(
    'button',
    {
      class: `pick${hasKey ? '' : ' has-no-key'}`,
      type: 'button',
      disabled: isDisabled,
      data: { tone: good ? 'good' : 'bad' },
      'aria-keyshortcuts': hasKey && String(index + 1),
      onclick: () => onPick(name),
    },
    hasKey && h('kbd', { 'aria-hidden': 'true' }, String(index + 1)),
    h('span', { class: 'pick-symbol', 'aria-hidden': 'true' }, good ? '✓' : '✕'),
    h(
      'span',
      { class: 'pick-name', title: name },
      text !== name && h('span', { class: 'unseen' }, name.slice(0, name.length - text.length)),
      text,
    ),
    h('span', { class: 'pick-count', title: t('Labelled parts') }),
  );
}
