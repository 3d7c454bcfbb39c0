/** The History tab: all versions, newest first, with the decisions about them, and the rollback. */
import { get, post } from '../shared/api-client.js';
import { confirmWithReason, openDialog } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { capital, counted, percentOf, timeOf } from '../shared/format.js';
import { createReportPanel } from './report-view.js';
import { askAndPromote } from './version-actions.js';

/** @import { Overview, VersionView } from '../../../calibration/views.ts' */
/** @import { ReportPanel } from './report-view.js' */
/** @import { Tools } from './tools.js' */

/** @typedef {{promote: (version: string) => void, openReport: (version: string) => void}} CardActions */

/** @param {Tools} tools */
export function createHistoryView(tools) {
  const { overview, toasts } = tools;
  const element = byId('view-history');
  const list = byId('history-versions');
  const rollbackButton = byId('history-rollback', HTMLButtonElement);
  let loadedKey = '';
  /** @type {ReportPanel | undefined} */
  let openPanel;
  /** The version that a rollback activates. @type {VersionView | undefined} */
  let previous;

  const load = async () => {
    try {
      /** @type {VersionView[]} */
      const versions = await get('api/v1/models');
      loadedKey = keyOf(overview.value);
      const candidate = overview.value?.candidate;
      const drawn = JSON.stringify([versions, candidate]);
      if (list.dataset.drawn !== drawn) {
        list.dataset.drawn = drawn;
        const actions = { promote, openReport };
        list.replaceChildren(...versions.map((one) => versionCard(one, one.version === candidate, actions)));
      }
      const active = versions.find((one) => one.active);
      setText(byId('history-text'), activeText(versions, active));
      previous = active && versions.find((one) => one.isBefore && one.damage === null);
      rollbackButton.disabled = !previous;
      setText(rollbackButton, previous ? `↶ Roll back to ${previous.version} …` : '↶ Roll back …');
    } catch (error) {
      toasts.error(error);
    }
  };
  /** @param {string} version */
  const promote = async (version) => {
    const refused = await askAndPromote(version, tools);
    if (refused) {
      // An engineer can override in the report, which shows the figures.
      toasts.warn(refused.text);
      void openReport(version);
    }
    await load();
  };
  const rollBack = async () => {
    if (!previous) return;
    const { version: to, createdAt, labels } = previous;
    const active = overview.value?.active;
    const reason = await confirmWithReason({
      title: `Roll back to ${to}?`,
      text: `From the next part on, ${to} replaces ${active}.`,
      details: [
        `It was trained ${timeOf(createdAt)}. Its labels: ${labels.join(', ')}.`,
        `${active} is kept and can be promoted again.`,
      ],
      yes: 'Roll back',
    });
    if (reason === undefined) return;
    try {
      const { version } = await post('api/v1/models/rollback', { to, ...(reason !== '' && { reason }) });
      toasts.note(`Rolled back: ${version} is the active model now.`);
    } catch (error) {
      toasts.error(error);
    }
    await overview.refresh();
    await load();
  };
  /** @param {string} version */
  const openReport = async (version) => {
    openPanel = createReportPanel(version, tools);
    if (overview.value) openPanel.update(overview.value);
    const close = h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Close');
    // A link in the report opens another tab; the dialog must not cover it.
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
  rollbackButton.addEventListener('click', rollBack);
  overview.subscribe((value) => {
    openPanel?.update(value);
    if (!element.hidden && loadedKey !== keyOf(value)) void load();
  });
  return { element, title: 'History', show: () => void load() };
}

/** Changes if the list of versions may have changed. @param {Overview | undefined} overview */
const keyOf = (overview) =>
  JSON.stringify([overview?.active, overview?.candidate, overview?.training.version]);

/** @param {readonly VersionView[]} versions @param {VersionView | undefined} active */
function activeText(versions, active) {
  if (versions.length === 0) return 'No model has been trained yet.';
  return active ? `Active model: ${active.version}` : 'No model is active.';
}

/** @type {Record<VersionView['decisions'][number]['action'], string>} */
const actionText = {
  promote: 'promoted',
  override: 'promoted although the quality gate refused it',
  rollback: 'rolled back to this version',
  discard: 'discarded',
};

/** @param {VersionView['decisions'][number]} decision */
const decisionText = ({ at, by, action, reason }) =>
  `${timeOf(at)}: ${actionText[action]} by ${by}${reason ? `: ${reason}` : ''}`;

/** @param {VersionView} one @param {boolean} isCandidate @param {CardActions} actions */
function versionCard(one, isCandidate, { promote, openReport }) {
  const { version, active, createdAt, by, labels, frames, accuracy, gate, allowed, damage, decisions } = one;
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
        h('ul', { class: 'version-decisions' }, ...decisions.map((each) => h('li', {}, decisionText(each)))),
      damage !== null && h('p', { class: 'version-damage' }, `It cannot be used: ${damage}.`),
    ),
    accuracy !== null &&
      h(
        'p',
        { class: 'version-accuracy' },
        h('strong', {}, percentOf(accuracy)),
        h('span', {}, 'accuracy on new parts'),
      ),
    h(
      'div',
      { class: 'version-actions' },
      h('button', { class: 'button', type: 'button', onclick: () => openReport(version) }, 'Report'),
      !active &&
        damage === null &&
        h(
          'button',
          { class: 'button', type: 'button', data: { needs: 'operator' }, onclick: () => promote(version) },
          'Promote …',
        ),
    ),
  );
}
