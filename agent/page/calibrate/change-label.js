/** A label is renamed, merged into another one, or deleted: each is shown with its consequences before it is done. */
import { post } from '../shared/api-client.js';
import { confirmInPage, openDialog } from '../shared/dialog.js';
import { h } from '../shared/dom.js';
import { counted } from './rates.js';

const titles = {
  rename: ({ label, to }) => `Rename ${label} to ${to}?`,
  merge: ({ label, to }) => `Merge ${label} into ${to}?`,
  delete: ({ label }) => `Delete the label ${label}?`,
};
const words = {
  rename: ({ to }, { frames }) => `${counted(frames, 'frame')} will be labelled ${to}.`,
  merge: ({ to }, { frames, others }) =>
    `${counted(frames, 'frame')} will be labelled ${to}, like the ${others} that are already.`,
  delete: (_, { frames }) =>
    `${counted(frames, 'frame')} will be removed: no head learns from them any more.`,
};
const yes = { rename: 'Rename', merge: 'Merge', delete: 'Delete' };

/**
 * Asks what to do with a label, and does it.
 * @param {string} label @param {{store: object, changes: object, toasts: object}} tools
 * @returns {Promise<string | undefined>} the label that its frames have now; undefined if none was changed
 */
export async function changeLabel(label, { store, changes, toasts }) {
  const chosen = await choose(label, store.value.labels);
  if (!chosen) return undefined;
  const { kind, ...asked } = chosen;
  try {
    const preview = await post(`api/v1/dataset/labels/${kind}`, { ...asked, dryRun: true });
    const isSure = await confirmInPage({
      title: titles[kind](asked),
      text: words[kind](asked, preview),
      more: [...preview.effects, 'Undo reverts it.'],
      yes: yes[kind],
      isDanger: kind === 'delete',
    });
    if (!isSure) return undefined;
    const { frames } = await changes.changeLabel(kind, asked);
    toasts.note(kind === 'delete' ? `${label} is deleted.` : `${counted(frames, 'frame')} now ${asked.to}.`);
    return asked.to ?? '';
  } catch (error) {
    toasts.error(error);
    return undefined;
  }
}

async function choose(label, labels) {
  let chosen;
  const pick = (choice) => {
    chosen = { label, ...choice };
    dialog.close();
  };
  const field = h('input', {
    required: true,
    maxlength: 64,
    value: label,
    autocomplete: 'off',
    'aria-label': 'New name',
  });
  const rename = (event) => {
    event.preventDefault();
    const to = field.value.trim();
    if (to !== '' && to !== label) pick({ kind: 'rename', to });
  };
  const others = labels.filter(({ name, count }) => name !== label && count > 0);
  const button = (text, onclick, kind = '') =>
    h('button', { class: `button ${kind}`, type: 'button', onclick }, text);
  const { dialog, closed } = openDialog(
    { 'aria-label': `Change the label ${label}` },
    h('h2', {}, `Label ${label}`),
    h(
      'form',
      { class: 'row', onsubmit: rename },
      field,
      h('button', { class: 'button', type: 'submit' }, 'Rename …'),
    ),
    others.length > 0 && h('p', { class: 'hint' }, 'It means the same as:'),
    others.length > 0 &&
      h(
        'div',
        { class: 'row' },
        ...others.map(({ name }) => button(`Merge into ${name} …`, () => pick({ kind: 'merge', to: name }))),
      ),
    h(
      'div',
      { class: 'row' },
      button('Delete all its frames …', () => pick({ kind: 'delete' }), 'is-danger'),
      button('Leave it as it is', () => dialog.close()),
    ),
  );
  await closed;
  return chosen;
}
