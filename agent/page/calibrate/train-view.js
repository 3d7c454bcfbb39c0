/** Train a candidate: start, follow, cancel, and its report when it is there. The agent remembers it all. */
import { post } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { counted, estimateWords, timeOf } from './rates.js';
import { createReportPanel } from './report-view.js';

/** The bars are full where a head learns well. */
const plenty = 10;

/** @param {{store: object, changes: object, toasts: object, say: (text: string) => void}} tools */
export function createTrainView(tools) {
  const { store, toasts, say } = tools;
  const form = byId('train-form');
  let panel;

  const start = async (event) => {
    event.preventDefault();
    byId('train-start').disabled = true;
    try {
      await post('api/v1/training/start', optionsOf(new FormData(form)));
      say('Training has begun.');
    } catch (error) {
      toasts.error(error);
    }
    await store.refresh();
  };
  const cancel = async () => {
    byId('train-cancel').disabled = true;
    await post('api/v1/training/cancel').catch((error) => toasts.error(error));
    await store.refresh();
  };
  form.addEventListener('submit', start);
  byId('train-cancel').addEventListener('click', cancel);

  const drawProgress = ({ state, step, done, total, startedAt, by }) => {
    const isRunning = state === 'running';
    byId('train-progress').hidden = !isRunning;
    form.hidden = isRunning;
    byId('train-start').disabled = isRunning;
    if (!isRunning) return;
    byId('train-cancel').disabled = false;
    const bar = byId('train-bar');
    // Without a value it moves to and fro: something is done, nobody knows how long.
    if (total > 0) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute('value');
    setText(byId('train-step'), total > 0 ? `${step} (${done} of ${total})` : step);
    setText(byId('train-since'), [by && `started by ${by}`, timeOf(startedAt)].filter(Boolean).join(', '));
  };
  const drawOutcome = ({ state, error, notices, version }) => {
    const box = byId('train-outcome');
    const words = outcomeWords(state, error, version);
    const list = state === 'done' || state === 'failed' ? notices : [];
    const drawn = JSON.stringify([words, list]);
    if (box.dataset.drawn === drawn) return;
    box.dataset.drawn = drawn;
    box.dataset.state = state;
    box.hidden = words === '' && list.length === 0;
    const said = h('p', { role: state === 'failed' ? 'alert' : 'status' }, words);
    box.replaceChildren(...(words === '' ? [] : [said]));
    if (list.length > 0) box.append(h('ul', {}, ...list.map((notice) => h('li', {}, notice))));
  };
  const drawReport = (overview) => {
    const version = overview.training.state === 'running' ? null : overview.candidate;
    if (panel?.version !== (version ?? undefined)) {
      panel = version === null ? undefined : createReportPanel(version, tools);
      byId('train-report').replaceChildren(...(panel ? [panel.element] : []));
    }
    panel?.update(overview);
  };

  store.subscribe((overview) => {
    const { training, labels, frames, estimate } = overview;
    drawCounts(labels);
    drawProgress(training);
    drawOutcome(training);
    drawReport(overview);
    setText(byId('train-hint'), hintOf(labels, frames));
    for (const line of document.querySelectorAll('[data-estimate]')) setText(line, estimateWords(estimate));
  });
  return { element: byId('view-train'), title: 'Train' };
}

/** Percent on the page, shares at the agent; what is left empty is the agent's to choose. */
function optionsOf(data) {
  const share = (name) => {
    const text = data.get(name);
    return text === '' ? {} : { [name]: Number(text) / 100 };
  };
  const views = data.get('views');
  return { ...(views === '' ? {} : { views }), ...share('escapeRate'), ...share('falseRejectRate') };
}

function drawCounts(labels) {
  const list = byId('train-counts');
  const drawn = JSON.stringify(labels);
  if (list.dataset.drawn === drawn) return;
  list.dataset.drawn = drawn;
  const most = Math.max(plenty, ...labels.map(({ count }) => count));
  list.replaceChildren(
    ...labels.map(({ name, count, good }) => {
      const bar = h('span', {});
      bar.style.width = `${(count / most) * 100}%`;
      return h(
        'li',
        { data: { tone: good ? 'good' : 'bad' } },
        h('span', { class: 'bars-name' }, `${good ? '✓' : '✕'} ${name}`),
        h('span', { class: 'bars-bar', 'aria-hidden': 'true' }, bar),
        h('span', { class: 'bars-count' }, String(count)),
      );
    }),
  );
}

function hintOf(labels, frames) {
  const few = labels
    .filter(({ count }) => count < plenty)
    .map(({ name, count }) => `${plenty - count} more ${name}`);
  const total = counted(frames, 'part');
  if (few.length === 0) return `${total} labelled. That is enough to begin with; more make it surer.`;
  return `${total} labelled. Better with ${few.slice(0, 4).join(', ')}.`;
}

function outcomeWords(state, error, version) {
  switch (state) {
    case 'failed':
      return error ? `Training failed: ${error.message} — ${error.remedy}` : 'Training failed.';
    case 'cancelled':
      return 'Training was cancelled. Nothing was changed.';
    case 'done':
      return version ? `Training is done: ${version}` : 'Training is done.';
    default:
      return '';
  }
}
