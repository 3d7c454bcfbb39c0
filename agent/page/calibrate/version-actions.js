/** What the user can do with a version: promote, override, run in shadow mode, discard. */
import { ApiError, get, post } from '../shared/api-client.js';
import { confirm, confirmWithReason } from '../shared/dialog.js';
import { h, setText } from '../shared/dom.js';
import { percentOf } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';

/** @import { Report } from '../../../calibration/train/report.ts' */
/** @import { Overview, VersionView } from '../../../calibration/views.ts' */
/** @import { Tools } from './tools.js' */

/**
 * Promotes a version and reports errors.
 * @param {string} version @param {{override?: string, reason?: string}} body @param {Tools} tools
 * @returns {Promise<ApiError | undefined>} why the quality gate refuses it
 */
async function promote(version, body, { overview, toasts }) {
  try {
    await post(`api/v1/models/${version}/promote`, body);
    toasts.note(t('{version} is the active model now.', { version }));
  } catch (error) {
    if (error instanceof ApiError && error.code === 'gate-refused') return error;
    toasts.error(error);
  }
  await overview.refresh();
  return undefined;
}

/**
 * Shows what changes, asks, and promotes.
 * @param {string} version @param {Tools} tools
 * @returns {Promise<ApiError | undefined>} why the quality gate refuses it
 */
export async function askAndPromote(version, tools) {
  /** @type {VersionView[]} */
  const versions = await get('api/v1/models').catch(() => []);
  const next = versions.find((one) => one.version === version);
  const active = versions.find((one) => one.active);
  const removed = active?.labels.filter((label) => !next?.labels.includes(label)) ?? [];
  const added = active ? (next?.labels.filter((label) => !active.labels.includes(label)) ?? []) : [];
  const reason = await confirmWithReason({
    title: t('Promote {version}?', { version }),
    text: active
      ? t('It replaces {version} from the next part on.', { version: active.version })
      : t('It judges all parts from the next one on.'),
    details: [
      accuracyText(next, active),
      added.length > 0 && t('New labels: {labels}.', { labels: added.join(', ') }),
      removed.length > 0 && t('Labels it no longer has: {labels}.', { labels: removed.join(', ') }),
      next?.allowed === false &&
        next.gate !== null &&
        t('The quality gate refused it: {reason}.', { reason: fromAgent(next.gate) }),
      t('You can roll back at any time in the History tab.'),
    ].filter((text) => text !== false),
    yes: t('Promote'),
  });
  if (reason === undefined) return undefined;
  return promote(version, reason === '' ? {} : { reason }, tools);
}

/** @param {VersionView | undefined} next @param {VersionView | undefined} active @returns {string | false} */
function accuracyText(next, active) {
  if (!next || next.accuracy === null) return false;
  const share = percentOf(next.accuracy);
  if (!active || active.accuracy === null) {
    return t('Accuracy on parts it was not trained on: {share}.', { share });
  }
  return t('Accuracy on parts it was not trained on: {share}; {version} had {otherShare}.', {
    share,
    version: active.version,
    otherShare: percentOf(active.accuracy),
  });
}

/** @param {string} version @param {Tools} tools */
export function createVersionActions(version, tools) {
  const { overview, toasts } = tools;
  let isAllowed = true;
  /** @param {() => Promise<unknown>} work */
  const attempt = async (work) => {
    try {
      await work();
    } catch (error) {
      toasts.error(error);
    }
    await overview.refresh();
  };
  const tryPromote = async () => {
    const refused = await askAndPromote(version, tools);
    if (refused) showRefusal(refused.text);
  };
  /** @param {Event} event */
  const override = async (event) => {
    event.preventDefault();
    const refused = await promote(version, { override: reason.value.trim() }, tools);
    if (refused) showRefusal(refused.text);
  };
  const switchShadow = () =>
    attempt(() => post('api/v1/models/shadow', { version: isShadow ? null : version }));
  const askDiscard = async () => {
    const isSure = await confirm({
      title: t('Discard {version}?', { version }),
      text: t('It will no longer be offered for promotion. Your labels are not changed.'),
      yes: t('Discard'),
      no: t('Keep it'),
      isDanger: true,
    });
    if (isSure) await attempt(() => post(`api/v1/models/${version}/discard`));
  };
  /** @param {string} text @param {() => void} onclick */
  const button = (text, onclick, kind = '') =>
    h('button', { class: `button ${kind}`, type: 'button', onclick }, text);
  let isShadow = false;
  const promoteButton = button(t('Promote …'), tryPromote, 'is-primary is-big');
  const shadowButton = button('', switchShadow);
  const discardButton = button(t('Discard …'), askDiscard, 'is-danger');
  const activeNote = h('p', { class: 'is-active-note' }, t('● This version is active.'));
  const reason = h('input', {
    name: 'reason',
    required: true,
    minlength: 3,
    maxlength: 500,
    autocomplete: 'off',
    placeholder: t('why it is needed'),
    'aria-label': t('Reason for the override'),
  });
  const refusal = h('p', { class: 'refusal-words', role: 'alert' });
  const overrideBox = h(
    'details',
    { class: 'refusal', data: { needs: 'engineer' } },
    h('summary', {}, t('Override as engineer')),
    h(
      'form',
      { class: 'row', onsubmit: override },
      reason,
      h('button', { class: 'button is-danger', type: 'submit' }, t('Promote anyway')),
    ),
  );
  /** @param {string} text */
  const showRefusal = (text) => {
    isAllowed = false;
    setText(refusal, text);
    draw(overview.value);
  };
  /** @param {Overview | undefined} value */
  const draw = (value) => {
    if (!value) return;
    const isActive = value.active === version;
    isShadow = value.shadow?.version === version;
    activeNote.hidden = !isActive;
    promoteButton.hidden = isActive || !isAllowed;
    refusal.hidden = isActive || isAllowed || refusal.textContent === '';
    overrideBox.hidden = isActive || isAllowed;
    shadowButton.hidden = isActive;
    setText(shadowButton, isShadow ? t('◐ Stop shadow mode') : t('◐ Run in shadow mode'));
    shadowButton.title = t('It judges each part as well; its results are not published.');
    discardButton.hidden = value.candidate !== version;
  };

  return {
    element: h(
      'div',
      { class: 'actions' },
      activeNote,
      refusal,
      h('div', { class: 'row', data: { needs: 'operator' } }, promoteButton, shadowButton, discardButton),
      overrideBox,
    ),
    /** @param {Report['gate']} gate */
    setGate(gate) {
      isAllowed = gate.allowed;
      setText(
        refusal,
        gate.allowed
          ? ''
          : t('The quality gate refused it for the reason above. Label more parts and train again.'),
      );
    },
    update: draw,
  };
}
