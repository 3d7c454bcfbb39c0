/** Questions inside the page. The browser keeps the focus in the dialog and gives it back afterwards. */
import { h } from './h.js';

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
export async function confirmInPage({ title, text, more = [], yes, no = 'No, go back', isDanger = false }) {
  let isYes = false;
  const answer = (value) => () => {
    isYes = value;
    dialog.close();
  };
  const { dialog, closed } = openDialog(
    { 'aria-label': title },
    h('h2', {}, title),
    h('p', {}, text),
    more.length > 0 && h('ul', { class: 'follows' }, ...more.map((one) => h('li', {}, one))),
    h(
      'div',
      { class: 'row' },
      h(
        'button',
        { class: `button ${isDanger ? 'is-danger' : 'is-primary'}`, type: 'button', onclick: answer(true) },
        yes,
      ),
      h('button', { class: 'button', type: 'button', onclick: answer(false) }, no),
    ),
  );
  await closed;
  return isYes;
}
