/** Asks for a label in a dialog: by tap, by number key, or a new one. */
import { openDialog } from '../shared/dialog.js';
import { closest, h } from '../shared/dom.js';
import { t } from '../shared/language.js';
import { createLabelButtons } from './label-buttons.js';

/** @import { Label } from './overview.js' */

/** @param {string} title @param {readonly Label[]} labels @returns {Promise<string | undefined>} undefined: none chosen */
export async function chooseLabel(title, labels) {
  /** @type {string | undefined} */
  let chosen;
  /** @param {string} label */
  const onPick = (label) => {
    chosen = label;
    dialog.close();
  };
  const buttons = createLabelButtons({ onPick });
  buttons.show(labels);
  /** @param {KeyboardEvent} event */
  const onkeydown = (event) => {
    if (closest(event, 'input')) return;
    const label = buttons.labelOf(event);
    if (label !== undefined) onPick(label);
    else if (event.key.toLowerCase() === 'n') buttons.focusField();
    else if (event.key.toLowerCase() === 'f') buttons.focusSearch();
    else return;
    event.preventDefault();
  };
  const { dialog, closed } = openDialog(
    { 'aria-label': title, onkeydown },
    h('h2', {}, title),
    buttons.element,
    h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, t('Cancel')),
  );
  await closed;
  return chosen;
}
