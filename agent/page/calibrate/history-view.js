/** The History tab: all versions, newest first, with the decisions about them, and the rollback. */
import { get, post } from '../shared/api-client.js';
import { confirmWithReason, openDialog } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { capital, counted, listed, percentOf, timeOf } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';
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
      setText(
        rollbackButton,
        previous ? t('↶ Roll back to {version} …', { version: previous.version }) : t('↶ Roll back …'),
      );
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
      title: t('Roll back to {version}?', { version: to }),
      text: t('From the next part on, {version} replaces {active}.', { version: to, active: active ?? '–' }),
      details: [
        t('It was trained {time}. Its labels: {labels}.', {
          time: timeOf(createdAt),
          labels: labels.join(', '),
        }),
        t('{version} is kept and can be promoted again.', { version: active ?? '–' }),
      ],
      yes: t('Roll back'),
    });
    if (reason === undefined) return;
    try {
      const { version } = await post('api/v1/models/rollback', { to, ...(reason !== '' && { reason }) });
      toasts.note(t('Rolled back: {version} is the active model now.', { version }));
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
    const close = h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, t('Close'));
    // A link in the report opens another tab; the dialog must not cover it.
    const leave = () => dialog.close();
    addEventListener('hashchange', leave);
    const { dialog, closed } = openDialog(
      { class: 'dialog is-wide', 'aria-label': t('Report of {version}', { version }) },
      h('div', { class: 'viewer-head' }, h('h2', {}, t('Report')), close),
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
  return { element, title: t('History'), show: () => void load() };
}

/** Changes if the list of versions may have changed. @param {Overview | undefined} overview */
const keyOf = (overview) =>
  JSON.stringify([overview?.active, overview?.candidate, overview?.training.version]);

/** @param {readonly VersionView[]} versions @param {VersionView | undefined} active */
function activeText(versions, active) {
  if (versions.length === 0) return t('No model has been trained yet.');
  return active ? t('Active model: {version}', { version: active.version }) : t('No model is active.');
}

/** @type {Record<VersionView['decisions'][number]['action'], string>} */
const actionText = {
  promote: t('promoted'),
  override: t('promoted although the quality gate refused it'),
  rollback: t('rolled back to this version'),
  discard: t('discarded'),
};

/** @param {VersionView['decisions'][number]} decision */
function decisionText({ at, by, action, reason }) {
  const values = { time: timeOf(at), action: actionText[action], name: by };
  return reason
    ? t('{time}: {action} by {name}: {reason}', { ...values, reason })
    : t('{time}: {action} by {name}', values);
}

/** @param {VersionView} one @param {boolean} isCandidate @param {CardActions} actions */
function versionCard(one, isCandidate, { promote, openReport }) {
  const { version, active, createdAt, by, labels, frames, accuracy, gate, allowed, damage, decisions } = one;
  const facts = [
    createdAt &&
      (by
        ? t('trained {time} by {name}', { time: timeOf(createdAt), name: by })
        : t('trained {time}', { time: timeOf(createdAt) })),
    frames !== null && counted(frames, 'frame'),
    labels.length > 0 && labels.join(', '),
  ];
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
        active && h('span', { class: 'badge', data: { tone: 'good' } }, t('● active')),
        isCandidate && h('span', { class: 'badge' }, t('candidate')),
        damage !== null && h('span', { class: 'badge', data: { tone: 'bad' } }, t('✕ damaged')),
      ),
      h('p', { class: 'hint' }, listed(...facts)),
      gate !== null &&
        h('p', { class: 'version-gate' }, `${allowed === false ? '✕' : '✓'} ${capital(fromAgent(gate))}.`),
      decisions.length > 0 &&
        h('ul', { class: 'version-decisions' }, ...decisions.map((each) => h('li', {}, decisionText(each)))),
      damage !== null &&
        h('p', { class: 'version-damage' }, t('It cannot be used: {reason}.', { reason: fromAgent(damage) })),
    ),
    accuracy !== null &&
      h(
        'p',
        { class: 'version-accuracy' },
        h('strong', {}, percentOf(accuracy)),
        h('span', {}, t('accuracy on new parts')),
      ),
    h(
      'div',
      { class: 'version-actions' },
      h('button', { class: 'button', type: 'button', onclick: () => openReport(version) }, t('Report')),
      !active &&
        damage === null &&
        h(
          'button',
          { class: 'button', type: 'button', data: { needs: 'operator' }, onclick: () => promote(version) },
          t('Promote …'),
        ),
    ),
  );
}
