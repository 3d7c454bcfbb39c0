/** Dialogs. The browser keeps the focus inside an open dialog and restores it afterwards. */
import { find, h } from './dom.js';
import { t } from './language.js';

/** @import { Child } from './dom.js' */

/**
 * Shows the content in a dialog, which Escape or a click on the backdrop closes.
 * @param {Record<string, unknown>} props @param {...Child} content
 * @returns {{dialog: HTMLDialogElement, closed: Promise<void>}}
 */
export function openDialog(props, ...content) {
  const dialog = h('dialog', { class: 'dialog', ...props }, ...content);
  /** @type {Promise<void>} */
  const closed = new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve();
    });
  });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, closed };
}

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text
 * @property {string[]} [details] further consequences, one sentence each
 * @property {string} yes
 * @property {string} [no]
 * @property {boolean} [isDanger]
 */

/** @param {Question} question @returns {Promise<boolean>} */
export async function confirm(question) {
  return (await ask(question, false)) !== undefined;
}

/**
 * Like `confirm`, with a field for the reason.
 * @param {Question} question
 * @returns {Promise<string | undefined>} the reason, which may be empty; undefined if the user said no
 */
export const confirmWithReason = (question) => ask(question, true);

/** @param {Question} question @param {boolean} hasReason @returns {Promise<string | undefined>} */
async function ask({ title, text, details = [], yes, no = t('Cancel'), isDanger = false }, hasReason) {
  /** @type {string | undefined} */
  let answer;
  const field = h('input', { name: 'reason', maxlength: 500, autocomplete: 'off' });
  /** @param {Event} event */
  const accept = (event) => {
    event.preventDefault();
    answer = field.value.trim();
    dialog.close();
  };
  const { dialog, closed } = openDialog(
    { 'aria-label': title },
    h('h2', {}, title),
    h('p', {}, text),
    details.length > 0 && h('ul', { class: 'details' }, ...details.map((one) => h('li', {}, one))),
    h(
      'form',
      { class: 'answers', onsubmit: accept },
      hasReason && h('label', { class: 'field' }, h('span', {}, t('Reason (optional)')), field),
      h(
        'div',
        { class: 'row' },
        h('button', { class: `button ${isDanger ? 'is-danger' : 'is-primary'}`, type: 'submit' }, yes),
        h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, no),
      ),
    ),
  );
  // The focus starts on the answer, so that Enter confirms and no on-screen keyboard opens.
  find(dialog, '[type=submit]').focus();
  await closed;
  return answer;
}
