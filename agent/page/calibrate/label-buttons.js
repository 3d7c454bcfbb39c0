/** A button for each label, with its number key, and a field for a label that is new. */
import { h, setText } from '../shared/dom.js';

const keys = 9;

/**
 * @param {{onPick: (label: string) => void, newWords?: string}} options
 */
export function createLabelButtons({ onPick, newWords = 'New label' }) {
  const list = h('div', { class: 'picks', role: 'group', 'aria-label': 'Labels' });
  const field = h('input', {
    class: 'new-label-field',
    maxlength: 64,
    autocomplete: 'off',
    enterkeyhint: 'done',
    placeholder: newWords,
    'aria-label': newWords,
  });
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
    h('button', { class: 'button', type: 'submit', 'aria-label': 'Give it this new label' }, 'Add'),
  );
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    // Inside a dialog, Escape leaves the field and not the dialog.
    event.preventDefault();
    field.value = '';
    field.blur();
  });
  let names = [];
  let drawn = '';

  return {
    element: h('div', { class: 'pick-box' }, list, form),
    focusField: () => field.focus(),
    /** @param {boolean} isOff nothing can be labelled now */
    disable(isOff) {
      for (const button of list.children) button.disabled = isOff;
      list.classList.toggle('is-off', isOff);
    },
    /** @param {{name: string, count: number, good: boolean}[]} labels */
    show(labels) {
      names = labels.map(({ name }) => name);
      const wanted = JSON.stringify(labels.map(({ name, good }) => [name, good]));
      if (wanted !== drawn) {
        // Only then: a button that is replaced under a finger would swallow the tap.
        drawn = wanted;
        const isOff = list.classList.contains('is-off');
        list.replaceChildren(...labels.map((label, index) => pick(label, index, isOff, onPick)));
      }
      labels.forEach(({ count }, index) => {
        setText(list.children[index].querySelector('.pick-count'), String(count));
      });
    },
    /** The label of a number key, if there is one. @param {KeyboardEvent} event */
    labelOf: ({ key }) => (/^[1-9]$/.test(key) ? names[Number(key) - 1] : undefined),
  };
}

function pick({ name, good }, index, isOff, onPick) {
  return h(
    'button',
    {
      class: 'pick',
      type: 'button',
      disabled: isOff,
      data: { tone: good ? 'good' : 'bad' },
      'aria-keyshortcuts': index < keys && String(index + 1),
      onclick: () => onPick(name),
    },
    index < keys ? h('kbd', { 'aria-hidden': 'true' }, String(index + 1)) : h('span', {}),
    h('span', { class: 'pick-symbol', 'aria-hidden': 'true' }, good ? '✓' : '✕'),
    h('span', { class: 'pick-name', title: name }, name),
    h('span', { class: 'pick-count', title: 'labelled so far' }),
  );
}
