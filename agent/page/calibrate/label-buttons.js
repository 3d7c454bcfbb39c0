/** A button for each label, with its number key, and a field for a new label. */
import { find, h, setText } from '../shared/dom.js';
import { countOf } from '../shared/format.js';
import { t } from '../shared/language.js';

/** @import { Label } from './overview.js' */

const numberKeys = 9;

/** @param {{onPick: (label: string) => void}} options */
export function createLabelButtons({ onPick }) {
  const list = h('div', { class: 'picks', role: 'group', 'aria-label': t('Labels') });
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
    h('button', { class: 'button', type: 'submit', 'aria-label': t('Use this new label') }, t('Add')),
  );
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    // Inside a dialog, Escape leaves the field and keeps the dialog open.
    event.preventDefault();
    field.value = '';
    field.blur();
  });
  /** @type {{name: string, button: HTMLButtonElement}[]} */
  let buttons = [];
  let drawn = '';
  let isDisabled = false;

  return {
    element: h('div', { class: 'pick-box' }, list, form),
    focusField: () => field.focus(),
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
        // Buttons are replaced only if the labels change: replacing one while it is pressed would lose the tap.
        drawn = wanted;
        buttons = labels.map((label, index) => ({
          name: label.name,
          button: labelButton(label, index, isDisabled, onPick),
        }));
        list.replaceChildren(...buttons.map(({ button }) => button));
      }
      for (const [index, { count }] of labels.entries()) {
        const button = buttons[index]?.button;
        if (button) setText(find(button, '.pick-count'), countOf(count));
      }
    },
    /** The label of a number key. @param {KeyboardEvent} event @returns {string | undefined} */
    labelOf: ({ key }) => (/^[1-9]$/.test(key) ? buttons[Number(key) - 1]?.name : undefined),
  };
}

/** @param {Label} label @param {number} index @param {boolean} isDisabled @param {(label: string) => void} onPick */
function labelButton({ name, good }, index, isDisabled, onPick) {
  return h(
    'button',
    {
      class: 'pick',
      type: 'button',
      disabled: isDisabled,
      data: { tone: good ? 'good' : 'bad' },
      'aria-keyshortcuts': index < numberKeys && String(index + 1),
      onclick: () => onPick(name),
    },
    index < numberKeys ? h('kbd', { 'aria-hidden': 'true' }, String(index + 1)) : h('span', {}),
    h('span', { class: 'pick-symbol', 'aria-hidden': 'true' }, good ? '✓' : '✕'),
    h('span', { class: 'pick-name', title: name }, name),
    h('span', { class: 'pick-count', title: t('Labelled parts') }),
  );
}
