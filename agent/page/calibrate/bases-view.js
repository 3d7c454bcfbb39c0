/** The Bases tab: the installed pre-trained networks, a comparison on the labelled parts, and switching to another one. */
import { get, post, problemText } from '../shared/api-client.js';
import { confirm } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { capital, listed, startedText } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';
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
    const used = bases.find(({ inUse }) => inUse)?.name ?? t('the base in use');
    const isSure = await confirm({
      title: t('Switch to {name}?', { name: base }),
      text: t(
        'A new model is trained on this base from your labelled parts. The line keeps its model meanwhile.',
      ),
      details: [
        t('The new model becomes a candidate. Compare it in the Train tab, or run it in shadow mode.'),
        t('When you promote it, model and base change together. Until then the line uses {name}.', {
          name: used,
        }),
        t('A rollback returns to the old model and its base.'),
      ],
      yes: t('Train on it'),
    });
    if (!isSure) return;
    await attempt(
      () => post('api/v1/bases/switch', { base }),
      t('Training on {name} has started.', { name: base }),
    );
    await overview.refresh();
    if (overview.value?.training.state === 'running') location.hash = '#train';
  };
  compareButton.addEventListener('click', () =>
    attempt(() => post('api/v1/bases/compare', {}), t('The comparison has started.')),
  );
  sizesButton.addEventListener('click', () =>
    attempt(() => post('api/v1/bases/compare', { sizes: true }), t('The comparison has started.')),
  );
  cancelButton.addEventListener('click', () =>
    attempt(() => post('api/v1/bases/compare/cancel'), t('The comparison was cancelled.')),
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
        ? t(
            'Only one base is installed. Install another one to compare, or compare sizes of its input image.',
          )
        : t('All bases judge the same labelled parts. The line is not changed.'),
    );
    const bar = byId('bases-bar', HTMLProgressElement);
    if (total > 0) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute('value');
    const now = capital(fromAgent(step));
    setText(
      byId('bases-step'),
      total > 1 ? t('{step} ({done} of {total})', { step: now, done, total }) : now,
    );
    setText(byId('bases-since'), startedText(by, startedAt));
    const outcome = byId('bases-outcome');
    outcome.hidden = state !== 'failed' && state !== 'cancelled';
    outcome.dataset.state = state;
    setText(
      outcome,
      error
        ? t('The comparison failed: {problem}', { problem: problemText(error) })
        : t('The comparison was cancelled. The next one continues where it was.'),
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
    title: t('Bases'),
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
    ...(cost === null ? [] : [t('{n} × the time of the embedded base', { n: cost })]),
    t('images of {width} × {height} pixels', { width, height }),
    t('{n} features', { n: features }),
    megabytes === null ? t('the file is missing') : t('{n} MB', { n: megabytes }),
    int8 ? t('with an 8-bit variant') : t('no 8-bit variant'),
  ];
  return h(
    'li',
    { class: 'panel base-card', data: { used: String(inUse) } },
    h('h3', {}, name, inUse && h('span', { class: 'base-used' }, t('● in use'))),
    h('p', {}, t('Licence: {name}', { name: licence })),
    h('p', { class: 'hint' }, listed(...facts)),
    h('p', { class: 'hint base-origin' }, origin),
    !inUse &&
      h(
        'button',
        {
          class: 'button',
          type: 'button',
          data: { needs: 'engineer' },
          'aria-label': t('Switch to it: {name}', { name }),
          onclick: () => onSwitch(name),
        },
        t('Switch to it …'),
      ),
  );
}
