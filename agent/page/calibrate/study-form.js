/** The form that creates a study, for engineers. */
import { h } from '../shared/dom.js';
import { t } from '../shared/language.js';

/** @typedef {{name: string, parts: number, trials: number, operators: string[]}} StudyAsked */

/** @param {{onCreate: (request: StudyAsked) => Promise<boolean>}} options */
export function createStudyForm({ onCreate }) {
  const name = h('input', { name: 'name', maxlength: 100, required: true, autocomplete: 'off' });
  const operators = h('input', {
    name: 'operators',
    required: true,
    autocomplete: 'off',
    placeholder: 'anna, ben',
  });
  const parts = h('input', { name: 'parts', type: 'number', min: 2, max: 200, value: 30, required: true });
  const trials = h('input', { name: 'trials', type: 'number', min: 2, max: 5, value: 2, required: true });
  /** @param {string} label @param {HTMLElement} input */
  const field = (label, input) => h('label', { class: 'field' }, h('span', {}, label), input);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    const names = operators.value.split(',').map((one) => one.trim());
    const isCreated = await onCreate({
      name: name.value.trim(),
      parts: parts.valueAsNumber,
      trials: trials.valueAsNumber,
      operators: names.filter((one) => one !== ''),
    });
    if (isCreated) name.value = '';
  };
  const element = h(
    'form',
    { class: 'panel study-form', 'data-needs': 'engineer', onsubmit: submit },
    h('h3', {}, t('New study')),
    field(t('Name'), name),
    field(t('Log-in names of the operators, separated by commas'), operators),
    field(t('Number of parts, balanced over the labels'), parts),
    field(t('Trials: how often each operator labels each part'), trials),
    h(
      'div',
      { class: 'row' },
      h('button', { class: 'button is-primary', type: 'submit' }, t('Create the study')),
    ),
  );
  return { element };
}
