/** Renames, merges or deletes a label. The consequences are shown before anything is changed. */
import { post } from '../shared/api-client.js';
import { confirm, openDialog } from '../shared/dialog.js';
import { h } from '../shared/dom.js';
import { fromAgent, t, tn } from '../shared/language.js';

/** @import { LabelChangeView } from '../../../calibration/views.ts' */
/** @import { Label } from './overview.js' */
/** @import { Tools } from './tools.js' */

/** @typedef {{kind: 'rename' | 'merge', label: string, to: string} | {kind: 'delete', label: string}} LabelChange */

/**
 * Asks what to do with a label, and does it.
 * @param {string} label
 * @param {Tools} tools
 * @returns {Promise<string | undefined>} the label that its images have now, empty if they were deleted; undefined if
 * nothing was changed
 */
export async function changeLabel(label, { overview, changes, toasts }) {
  const chosen = await chooseChange(label, overview.value?.labels ?? []);
  if (!chosen) return undefined;
  const { kind, ...body } = chosen;
  const to = chosen.kind === 'delete' ? '' : chosen.to;
  try {
    /** @type {LabelChangeView} */
    const preview = await post(`api/v1/dataset/labels/${kind}`, { ...body, dryRun: true });
    const isSure = await confirm({
      ...questionOf(chosen, preview),
      details: [...preview.effects.map(fromAgent), t('Undo restores the label.')],
      isDanger: kind === 'delete',
    });
    if (!isSure) return undefined;
    const { frames } = await changes.changeLabel(kind, body);
    toasts.note(kind === 'delete' ? t('Label {label} deleted.', { label }) : nowLabelled(frames, to));
    return to;
  } catch (error) {
    toasts.error(error);
    return undefined;
  }
}

/** @param {number} frames @param {string} label */
export const nowLabelled = (frames, label) =>
  tn('{n} frame is now labelled {label}.', '{n} frames are now labelled {label}.', frames, { label });

/** @param {LabelChange} change @param {LabelChangeView} preview */
function questionOf(change, { frames, others }) {
  const { label } = change;
  switch (change.kind) {
    case 'rename':
      return {
        title: t('Rename {label} to {to}?', { label, to: change.to }),
        text: tn('{n} frame will be labelled {to}.', '{n} frames will be labelled {to}.', frames, {
          to: change.to,
        }),
        yes: t('Rename'),
      };
    case 'merge':
      return {
        title: t('Merge {label} into {to}?', { label, to: change.to }),
        text: tn(
          '{n} frame will be labelled {to}, which {others} already are.',
          '{n} frames will be labelled {to}, which {others} already are.',
          frames,
          { to: change.to, others },
        ),
        yes: t('Merge'),
      };
    case 'delete':
      return {
        title: t('Delete the label {label}?', { label }),
        text: tn(
          '{n} frame will be deleted: the next training will not use it.',
          '{n} frames will be deleted: the next training will not use them.',
          frames,
        ),
        yes: t('Delete'),
      };
  }
}

/** @param {string} label @param {readonly Label[]} labels @returns {Promise<LabelChange | undefined>} */
async function chooseChange(label, labels) {
  /** @type {LabelChange | undefined} */
  let chosen;
  /** @param {LabelChange} change */
  const choose = (change) => {
    chosen = change;
    dialog.close();
  };
  const field = h('input', {
    required: true,
    maxlength: 64,
    value: label,
    autocomplete: 'off',
    'aria-label': t('New name'),
  });
  /** @param {Event} event */
  const rename = (event) => {
    event.preventDefault();
    const to = field.value.trim();
    if (to !== '' && to !== label) choose({ kind: 'rename', label, to });
  };
  const others = labels.filter(({ name, count }) => name !== label && count > 0);
  /** @param {string} text @param {() => void} onclick */
  const button = (text, onclick, kind = '') =>
    h('button', { class: `button ${kind}`, type: 'button', onclick }, text);
  const { dialog, closed } = openDialog(
    { 'aria-label': t('Edit the label {label}', { label }) },
    h('h2', {}, t('Label {label}', { label })),
    h(
      'form',
      { class: 'row', onsubmit: rename },
      field,
      h('button', { class: 'button', type: 'submit' }, t('Rename …')),
    ),
    others.length > 0 && h('p', { class: 'hint' }, t('If it means the same as another label:')),
    others.length > 0 &&
      h(
        'div',
        { class: 'row' },
        ...others.map(({ name }) =>
          button(t('Merge into {name} …', { name }), () => choose({ kind: 'merge', label, to: name })),
        ),
      ),
    h(
      'div',
      { class: 'row' },
      button(t('Delete all its frames …'), () => choose({ kind: 'delete', label }), 'is-danger'),
      button(t('Cancel'), () => dialog.close()),
    ),
  );
  await closed;
  return chosen;
}
