/** Promote, override, shadow, discard: what may be done with a version, each by one button. */
import { ApiError, get, post } from '../shared/api-client.js';
import { confirmInPage, confirmWithReason } from '../shared/dialog.js';
import { h, setText } from '../shared/dom.js';
import { percentOf } from '../shared/verdicts.js';

/**
 * Asks the agent; shows what it says against it. @returns {Promise<ApiError | undefined>} why the gate refuses
 * @param {string} version @param {{override?: string, reason?: string}} why
 */
async function promote(version, why, { store, toasts }) {
  try {
    await post(`api/v1/models/${version}/promote`, why);
    toasts.note(`${version} judges from now on.`);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'gate-refused') return error;
    toasts.error(error);
  }
  await store.refresh();
  return undefined;
}

/**
 * Says what changes, asks once, and promotes. @param {string} version
 * @returns {Promise<ApiError | undefined>} why the gate refuses
 */
export async function askAndPromote(version, tools) {
  const versions = await get('api/v1/models').catch(() => []);
  const next = versions.find((one) => one.version === version);
  const active = versions.find((one) => one.active);
  const gone = active?.labels.filter((label) => !next?.labels.includes(label)) ?? [];
  const fresh = active ? (next?.labels.filter((label) => !active.labels.includes(label)) ?? []) : [];
  const reason = await confirmWithReason({
    title: `Let ${version} judge?`,
    text: `From the next part on it judges instead of ${active?.version ?? 'nothing'}.`,
    more: [
      rightWords(next, active),
      fresh.length > 0 && `It also knows: ${fresh.join(', ')}.`,
      gone.length > 0 && `It no longer knows: ${gone.join(', ')}.`,
      next?.allowed === false && next.gate && `The gate refused it: ${next.gate}.`,
      'You can roll back at any time (History).',
    ].filter(Boolean),
    yes: 'Promote',
  });
  if (reason === undefined) return undefined;
  return promote(version, reason === '' ? {} : { reason }, tools);
}

function rightWords(next, active) {
  if (!next || next.accuracy === null) return false;
  const before =
    active && active.accuracy !== null ? `; ${active.version} had ${percentOf(active.accuracy)}` : '';
  return `On parts that it had not seen it was right in ${percentOf(next.accuracy)}${before}.`;
}

/** @param {string} version @param {{store: object, toasts: object, say: (text: string) => void}} tools */
export function createVersionActions(version, tools) {
  const { store, toasts } = tools;
  let isAllowed = true;
  const attempt = async (work) => {
    try {
      await work();
    } catch (error) {
      toasts.error(error);
    }
    await store.refresh();
  };
  const tryPromote = async () => {
    const refused = await askAndPromote(version, tools);
    if (refused) showRefusal(refused.words);
  };
  const overriding = async (event) => {
    event.preventDefault();
    const refused = await promote(version, { override: reason.value.trim() }, tools);
    if (refused) showRefusal(refused.words);
  };
  const switchShadow = () =>
    attempt(() => post('api/v1/models/shadow', { version: shadow.dataset.on === 'true' ? null : version }));
  const askDiscard = async () => {
    const isSure = await confirmInPage({
      title: `Discard ${version}?`,
      text: 'It is no longer offered here. Your labels stay as they are.',
      yes: 'Discard',
      no: 'Keep it',
      isDanger: true,
    });
    if (isSure) await attempt(() => post(`api/v1/models/${version}/discard`));
  };
  const button = (words, onclick, kind = '') =>
    h('button', { class: `button ${kind}`, type: 'button', onclick }, words);
  const promoteButton = button('Promote: let it judge …', tryPromote, 'is-primary is-big');
  const shadow = button('', switchShadow);
  const discard = button('Discard …', askDiscard, 'is-danger');
  const active = h('p', { class: 'is-active-note' }, '● This version judges now.');
  const reason = h('input', {
    name: 'reason',
    required: true,
    minlength: 3,
    maxlength: 500,
    autocomplete: 'off',
    placeholder: 'why it is wanted all the same',
    'aria-label': 'Reason for the override',
  });
  const refusal = h('p', { class: 'refusal-words', role: 'alert' });
  const refusalBox = h(
    'details',
    { class: 'refusal', data: { needs: 'engineer' } },
    h('summary', {}, 'Override as engineer'),
    h(
      'form',
      { class: 'row', onsubmit: overriding },
      reason,
      h('button', { class: 'button is-danger', type: 'submit' }, 'Promote all the same'),
    ),
  );
  const showRefusal = (words) => {
    isAllowed = false;
    setText(refusal, words);
    draw(store.value);
  };
  const draw = (overview) => {
    if (!overview) return;
    const isActive = overview.active === version;
    const isShadow = overview.shadow?.version === version;
    active.hidden = !isActive;
    promoteButton.hidden = isActive || !isAllowed;
    refusal.hidden = isActive || isAllowed || refusal.textContent === '';
    refusalBox.hidden = isActive || isAllowed;
    shadow.hidden = isActive;
    shadow.dataset.on = String(isShadow);
    setText(shadow, isShadow ? '◐ Stop trying it' : '◐ Try it in the shadow');
    discard.hidden = overview.candidate !== version;
  };

  return {
    element: h(
      'div',
      { class: 'actions' },
      active,
      refusal,
      h('div', { class: 'row', data: { needs: 'operator' } }, promoteButton, shadow, discard),
      refusalBox,
    ),
    /** @param {{allowed: boolean, reason: string}} gate as the report tells it */
    judge(gate) {
      isAllowed = gate.allowed;
      setText(
        refusal,
        gate.allowed ? '' : 'The gate refuses it, for the reason above: label more parts and train again.',
      );
    },
    update: draw,
  };
}
