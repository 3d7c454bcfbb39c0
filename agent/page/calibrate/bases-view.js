/** The Bases tab: the installed pre-trained networks, a comparison on the labelled parts, and switching to another one. */
import { get, post } from '../shared/api-client.js';
import { confirm } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { capital, timeOf } from '../shared/format.js';
import { createInstalling } from './bases-install.js';
import { comparisonTable } from './bases-table.js';

/** @import { BaseView, ComparingView } from '../../../calibration/compare/views.ts' */
/** @import { Tools } from './tools.js' */

const intervalMs = 1_500;

/** @param {Tools} tools */
export function createBasesView(tools) {
  const { overview, toasts, announce } = tools;
  const element = byId('view-bases');
  const list = byId('bases-list');
  const compareButton = byId('bases-compare', HTMLButtonElement);
  const sizesButton = byId('bases-sizes', HTMLButtonElement);
  const cancelButton = byId('bases-cancel', HTMLButtonElement);
  /** @type {BaseView[]} */
  let bases = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const load = async () => {
    clearTimeout(timer);
    try {
      bases = await get('api/v1/bases');
      drawList();
      drawComparing(await get('api/v1/bases/compare'));
    } catch (error) {
      toasts.error(error);
    }
  };
  /** @param {() => Promise<unknown>} work @param {string} text */
  const attempt = async (work, text) => {
    try {
      await work();
      announce(text);
    } catch (error) {
      toasts.error(error);
    }
    await load();
  };
  /** @param {string} base */
  const askAndSwitch = async (base) => {
    const used = bases.find(({ inUse }) => inUse)?.name ?? 'the base in use';
    const isSure = await confirm({
      title: `Switch to ${base}?`,
      text: 'A new model is trained on this base from your labelled parts. The line keeps its model meanwhile.',
      details: [
        'The new model becomes a candidate. Compare it in the Train tab, or run it in shadow mode.',
        `When you promote it, model and base change together. Until then the line uses ${used}.`,
        'A rollback returns to the old model and its base.',
      ],
      yes: 'Train on it',
    });
    if (!isSure) return;
    await attempt(() => post('api/v1/bases/switch', { base }), `Training on ${base} has started.`);
    await overview.refresh();
    if (overview.value?.training.state === 'running') location.hash = '#train';
  };
  compareButton.addEventListener('click', () =>
    attempt(() => post('api/v1/bases/compare', {}), 'The comparison has started.'),
  );
  sizesButton.addEventListener('click', () =>
    attempt(() => post('api/v1/bases/compare', { sizes: true }), 'The comparison has started.'),
  );
  cancelButton.addEventListener('click', () =>
    attempt(() => post('api/v1/bases/compare/cancel'), 'The comparison was cancelled.'),
  );

  const drawList = () => {
    const drawn = JSON.stringify(bases);
    if (list.dataset.drawn === drawn) return;
    list.dataset.drawn = drawn;
    list.replaceChildren(...bases.map((base) => baseCard(base, askAndSwitch)));
  };
  /** @param {ComparingView} comparing */
  const drawComparing = ({ state, step, done, total, startedAt, by, error, comparison }) => {
    const isRunning = state === 'running';
    byId('bases-progress').hidden = !isRunning;
    compareButton.disabled = isRunning || bases.length < 2;
    sizesButton.disabled = isRunning;
    setText(
      byId('bases-hint'),
      bases.length < 2
        ? 'Only one base is installed. Install another one to compare, or compare sizes of its input image.'
        : 'All bases judge the same labelled parts. The line is not changed.',
    );
    const bar = byId('bases-bar', HTMLProgressElement);
    if (total > 0) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute('value');
    setText(byId('bases-step'), capital(total > 1 ? `${step} (${done} of ${total})` : step));
    setText(byId('bases-since'), [by && `started by ${by}`, timeOf(startedAt)].filter(Boolean).join(', '));
    const outcome = byId('bases-outcome');
    outcome.hidden = state !== 'failed' && state !== 'cancelled';
    outcome.dataset.state = state;
    setText(
      outcome,
      error
        ? `The comparison failed: ${error.message} — ${error.remedy}`
        : 'The comparison was cancelled. The next one continues where it was.',
    );
    const result = byId('bases-result');
    const drawn = JSON.stringify(comparison);
    if (result.dataset.drawn !== drawn) {
      result.dataset.drawn = drawn;
      result.replaceChildren(...(comparison ? [comparisonTable(comparison, askAndSwitch)] : []));
    }
    if (isRunning && !element.hidden) timer = setTimeout(load, intervalMs);
  };

  const installing = createInstalling(tools, () => void load());

  return {
    element,
    title: 'Bases',
    show() {
      void load();
      installing.show();
    },
  };
}

/** @param {BaseView} base @param {(name: string) => void} onSwitch */
function baseCard(base, onSwitch) {
  const { name, inUse, licence, origin, network, cost, features, width, height, megabytes, int8 } = base;
  const facts = [
    ...(network === null ? [] : [network]),
    ...(cost === null ? [] : [`${cost} × the time of the embedded base`]),
    `images of ${width} × ${height} pixels`,
    `${features} features`,
    megabytes === null ? 'the file is missing' : `${megabytes} MB`,
    int8 ? 'with an 8-bit variant' : 'no 8-bit variant',
  ];
  return h(
    'li',
    { class: 'panel base-card', data: { used: String(inUse) } },
    h('h3', {}, name, inUse && h('span', { class: 'base-used' }, '● in use')),
    h('p', {}, `Licence: ${licence}`),
    h('p', { class: 'hint' }, facts.join(' · ')),
    h('p', { class: 'hint base-origin' }, origin),
    !inUse &&
      h(
        'button',
        {
          class: 'button',
          type: 'button',
          data: { needs: 'engineer' },
          'aria-label': `Switch to ${name}`,
          onclick: () => onSwitch(name),
        },
        'Switch to it …',
      ),
  );
}
