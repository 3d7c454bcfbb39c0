/** Every version there is, newest first: which judges, which did, and how to go back. */
import { get, post } from '../shared/api-client.js';
import { confirmWithReason, openDialog } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { percentOf } from '../shared/verdicts.js';
import { capital, counted, timeOf } from './rates.js';
import { createReportPanel } from './report-view.js';
import { askAndPromote } from './version-actions.js';

/** @param {{store: object, changes: object, toasts: object, say: (text: string) => void}} tools */
export function createHistoryView(tools) {
  const { store, toasts } = tools;
  const element = byId('view-history');
  const list = byId('history-versions');
  let seen = '';
  let openPanel;
  /** Where a rollback goes. */
  let before;

  const load = async () => {
    try {
      const versions = await get('api/v1/models');
      seen = keyOf(store.value);
      const drawn = JSON.stringify([versions, store.value?.candidate]);
      if (list.dataset.drawn !== drawn) {
        list.dataset.drawn = drawn;
        list.replaceChildren(...versions.map((one) => versionCard(one, store.value, { ask, openReport })));
      }
      const active = versions.find((one) => one.active);
      setText(byId('history-words'), wordsOf(versions, active));
      before = active && versions.find((one) => one.isBefore && one.damage === null);
      byId('history-rollback').disabled = !before;
      setText(byId('history-rollback'), before ? `↶ Roll back to ${before.version} …` : '↶ Roll back …');
    } catch (error) {
      toasts.error(error);
    }
  };
  const ask = async ({ version }) => {
    const refused = await askAndPromote(version, tools);
    if (refused) {
      // The report is where an engineer may override, with the figures in sight.
      toasts.warn(refused.words);
      openReport(version);
    }
    await load();
  };
  const rollBack = async () => {
    if (!before) return;
    const reason = await confirmWithReason({
      title: `Roll back to ${before.version}?`,
      text: `From the next part on ${before.version} judges again, instead of ${store.value?.active}.`,
      more: [
        `It was made ${timeOf(before.createdAt)} and knows: ${before.labels.join(', ')}.`,
        `${store.value?.active} is kept and can be promoted again.`,
      ],
      yes: 'Roll back',
    });
    if (reason === undefined) return;
    try {
      const { version } = await post('api/v1/models/rollback', {
        to: before.version,
        ...(reason !== '' && { reason }),
      });
      toasts.note(`Rolled back: ${version} judges again.`);
    } catch (error) {
      toasts.error(error);
    }
    await store.refresh();
    await load();
  };
  const openReport = async (version) => {
    openPanel = createReportPanel(version, tools);
    if (store.value) openPanel.update(store.value);
    const close = h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Close');
    // A link inside leads to another view: the report must not stay on top of it.
    const leave = () => dialog.close();
    addEventListener('hashchange', leave);
    const { dialog, closed } = openDialog(
      { class: 'dialog is-wide', 'aria-label': `Report of ${version}` },
      h('div', { class: 'viewer-head' }, h('h2', {}, 'Report'), close),
      openPanel.element,
    );
    await closed;
    removeEventListener('hashchange', leave);
    openPanel = undefined;
  };
  byId('history-rollback').addEventListener('click', rollBack);
  store.subscribe((overview) => {
    openPanel?.update(overview);
    if (!element.hidden && seen !== keyOf(overview)) void load();
  });
  return { element, title: 'History', show: () => void load() };
}

const keyOf = (overview) =>
  JSON.stringify([overview?.active, overview?.candidate, overview?.training.version]);

function wordsOf(versions, active) {
  if (versions.length === 0) return 'No version has been trained yet.';
  return active ? `${active.version} judges now.` : 'No version judges now.';
}

const deeds = {
  promote: 'promoted',
  override: 'promoted against its gate',
  rollback: 'rolled back to it',
  discard: 'discarded',
};

const decisionWords = ({ at, by, action, reason }) =>
  `${timeOf(at)}: ${deeds[action]} by ${by}${reason ? `: ${reason}` : ''}`;

function versionCard(one, overview, { ask, openReport }) {
  const { version, active, createdAt, by, labels, frames, accuracy, gate, allowed, damage, decisions } = one;
  const isCandidate = overview?.candidate === version;
  const facts = [
    createdAt && `trained ${timeOf(createdAt)}${by ? ` by ${by}` : ''}`,
    frames !== null && counted(frames, 'frame'),
    labels.length > 0 && labels.join(', '),
  ].filter(Boolean);
  return h(
    'li',
    { class: 'panel version', data: { active, version } },
    h(
      'div',
      { class: 'version-main' },
      h(
        'h2',
        {},
        version,
        active && h('span', { class: 'badge', data: { tone: 'good' } }, '● active'),
        isCandidate && h('span', { class: 'badge' }, 'candidate'),
        damage !== null && h('span', { class: 'badge', data: { tone: 'bad' } }, '✕ damaged'),
      ),
      h('p', { class: 'hint' }, facts.join(' · ')),
      gate !== null &&
        h('p', { class: 'version-gate' }, `${allowed === false ? '✕' : '✓'} ${capital(gate)}.`),
      decisions.length > 0 &&
        h('ul', { class: 'version-decisions' }, ...decisions.map((each) => h('li', {}, decisionWords(each)))),
      damage !== null && h('p', { class: 'version-damage' }, `It cannot be used: ${damage}.`),
    ),
    accuracy !== null &&
      h(
        'p',
        { class: 'version-accuracy' },
        h('strong', {}, percentOf(accuracy)),
        h('span', {}, 'right on new parts'),
      ),
    h(
      'div',
      { class: 'version-actions' },
      h('button', { class: 'button', type: 'button', onclick: () => openReport(version) }, 'Report'),
      !active &&
        damage === null &&
        h(
          'button',
          { class: 'button', type: 'button', data: { needs: 'operator' }, onclick: () => ask(one) },
          'Promote …',
        ),
    ),
  );
}
