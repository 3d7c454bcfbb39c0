/** Questions inside the page. The browser keeps the focus in the dialog and gives it back afterwards. */
import { h } from './dom.js';

/** Shows the content; Escape and the backdrop close it. @returns {{dialog: HTMLDialogElement, closed: Promise<void>}} */
export function openDialog(props, ...content) {
  const dialog = h('dialog', { class: 'dialog', ...props }, ...content);
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
 * Asks once. @param {{title: string, text: string, more?: string[], yes: string, no?: string, isDanger?: boolean}} question
 * more: what else follows from it, a sentence each
 * @returns {Promise<boolean>}
 */
export async function confirmInPage(question) {
  return (await ask(question)) !== undefined;
}

/** As `confirmInPage`, with a field for the reason. @returns {Promise<string | undefined>} undefined: no */
export const confirmWithReason = (question) => ask(question, true);

async function ask({ title, text, more = [], yes, no = 'No, go back', isDanger = false }, hasReason = false) {
  let answer;
  const field = h('input', {
    name: 'why',
    maxlength: 500,
    autocomplete: 'off',
    placeholder: 'for the history, if you like',
  });
  const confirm = (event) => {
    event.preventDefault();
    answer = field.value.trim();
    dialog.close();
  };
  const { dialog, closed } = openDialog(
    { 'aria-label': title },
    h('h2', {}, title),
    h('p', {}, text),
    more.length > 0 && h('ul', { class: 'follows' }, ...more.map((one) => h('li', {}, one))),
    h(
      'form',
      { class: 'answers', onsubmit: confirm },
      hasReason && h('label', { class: 'field' }, h('span', {}, 'Why'), field),
      h(
        'div',
        { class: 'row' },
        h('button', { class: `button ${isDanger ? 'is-danger' : 'is-primary'}`, type: 'submit' }, yes),
        h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, no),
      ),
    ),
  );
  // Enter gives the answer, not a word that nobody typed.
  dialog.querySelector('[type=submit]').focus();
  await closed;
  return answer;
}
