/** Asks for one label, inside the page: by tap, by number key, or a new one. */
import { openDialog } from '../shared/dialog.js';
import { h } from '../shared/dom.js';
import { createLabelButtons } from './label-buttons.js';

/** @param {string} title @param {object[]} labels @returns {Promise<string | undefined>} */
export async function chooseLabel(title, labels) {
  let chosen;
  const onPick = (label) => {
    chosen = label;
    dialog.close();
  };
  const buttons = createLabelButtons({ onPick });
  buttons.show(labels);
  const onkeydown = (event) => {
    if (event.target.closest('input')) return;
    const label = buttons.labelOf(event);
    if (label !== undefined) onPick(label);
    else if (event.key.toLowerCase() === 'n') buttons.focusField();
    else return;
    event.preventDefault();
  };
  const { dialog, closed } = openDialog(
    { 'aria-label': title, onkeydown },
    h('h2', {}, title),
    buttons.element,
    h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Leave them as they are'),
  );
  await closed;
  return chosen;
}
