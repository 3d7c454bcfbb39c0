/** The Train tab: starts, follows and cancels a training, and shows the report of the candidate. */
import { post } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { capital, counted, timeOf } from '../shared/format.js';
import { goodPartsOf, minDefect, minGood, promiseText } from './good-start.js';
import { estimateText } from './rates.js';
import { createReportPanel } from './report-view.js';

/** @import { Overview, TrainingView, TrainOptions } from '../../../calibration/views.ts' */
/** @import { Label } from './overview.js' */
/** @import { ReportPanel } from './report-view.js' */
/** @import { Tools } from './tools.js' */

/** Number of parts per label that is usually enough; the bars are full at this number. */
const goodCount = 10;

/** @param {Tools} tools */
export function createTrainView(tools) {
  const { overview, toasts, announce } = tools;
  const form = byId('train-form', HTMLFormElement);
  const startButton = byId('train-start', HTMLButtonElement);
  const cancelButton = byId('train-cancel', HTMLButtonElement);
  /** @type {ReportPanel | undefined} */
  let panel;

  /** @param {Event} event */
  const start = async (event) => {
    event.preventDefault();
    startButton.disabled = true;
    try {
      await post('api/v1/training/start', optionsOf(new FormData(form)));
      announce('Training has started.');
    } catch (error) {
      toasts.error(error);
    }
    await overview.refresh();
  };
  const cancel = async () => {
    cancelButton.disabled = true;
    await post('api/v1/training/cancel').catch((error) => toasts.error(error));
    await overview.refresh();
  };
  form.addEventListener('submit', start);
  cancelButton.addEventListener('click', cancel);

  /** @param {TrainingView} training */
  const drawProgress = ({ state, step, done, total, startedAt, by }) => {
    const isRunning = state === 'running';
    byId('train-progress').hidden = !isRunning;
    form.hidden = isRunning;
    startButton.disabled = isRunning;
    if (!isRunning) return;
    cancelButton.disabled = false;
    const bar = byId('train-bar', HTMLProgressElement);
    // Without a value the bar is indeterminate.
    if (total > 0) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute('value');
    setText(byId('train-step'), capital(total > 0 ? `${step} (${done} of ${total})` : step));
    setText(byId('train-since'), [by && `started by ${by}`, timeOf(startedAt)].filter(Boolean).join(', '));
  };
  /** @param {TrainingView} training */
  const drawOutcome = ({ state, error, notices, version }) => {
    const box = byId('train-outcome');
    const text = outcomeText(state, error, version);
    const list = state === 'done' || state === 'failed' ? notices : [];
    const drawn = JSON.stringify([text, list]);
    if (box.dataset.drawn === drawn) return;
    box.dataset.drawn = drawn;
    box.dataset.state = state;
    box.hidden = text === '' && list.length === 0;
    const message = h('p', { role: state === 'failed' ? 'alert' : 'status' }, text);
    box.replaceChildren(...(text === '' ? [] : [message]));
    if (list.length > 0) box.append(h('ul', {}, ...list.map((notice) => h('li', {}, notice))));
  };
  /** @param {Overview} value */
  const drawReport = (value) => {
    const version = value.training.state === 'running' ? null : value.candidate;
    if (panel?.version !== (version ?? undefined)) {
      panel = version === null ? undefined : createReportPanel(version, tools);
      byId('train-report').replaceChildren(...(panel ? [panel.element] : []));
    }
    panel?.update(value);
  };

  overview.subscribe((value) => {
    const { training, labels, frames, estimate } = value;
    drawCounts(labels);
    drawProgress(training);
    drawOutcome(training);
    drawReport(value);
    setText(byId('train-hint'), hintOf(labels, frames));
    for (const line of document.querySelectorAll('[data-estimate]')) setText(line, estimateText(estimate));
  });
  return { element: byId('view-train'), title: 'Train' };
}

/**
 * The form shows percent, the agent takes shares; for empty fields the agent uses its configuration. @param {FormData} data
 * @returns {TrainOptions}
 */
function optionsOf(data) {
  /** @param {'escapeRate' | 'falseRejectRate' | 'falseAlarmRate'} name */
  const share = (name) => {
    const text = data.get(name);
    return text === '' ? {} : { [name]: Number(text) / 100 };
  };
  const views = data.get('views');
  return {
    ...(views === 'none' || views === 'flips' || views === 'turns' ? { views } : {}),
    ...share('escapeRate'),
    ...share('falseRejectRate'),
    ...share('falseAlarmRate'),
  };
}

/** @param {readonly Label[]} labels */
function drawCounts(labels) {
  const list = byId('train-counts');
  const drawn = JSON.stringify(labels);
  if (list.dataset.drawn === drawn) return;
  list.dataset.drawn = drawn;
  const most = Math.max(goodCount, ...labels.map(({ count }) => count));
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

/** @param {readonly Label[]} labels @param {number} frames */
function hintOf(labels, frames) {
  const good = goodPartsOf(labels);
  if (good !== undefined && good > 0) {
    const missing = Math.max(0, minGood - good);
    if (missing > 0) return `${counted(good, 'good part')} labelled. Training needs ${missing} more.`;
    return `${promiseText(good)} As soon as a defect has ${minDefect} labelled parts, a new model can recognise it.`;
  }
  const missing = labels
    .filter(({ count }) => count < goodCount)
    .map(({ name, count }) => `${goodCount - count} more ${name}`);
  const total = `${counted(frames, 'part')} labelled.`;
  if (missing.length === 0) return `${total} That is enough to train; more improve the model.`;
  return `${total} For a better model, label ${missing.slice(0, 4).join(', ')}.`;
}

/** @param {TrainingView['state']} state @param {TrainingView['error']} error @param {string | null} version */
function outcomeText(state, error, version) {
  switch (state) {
    case 'failed':
      return error ? `Training failed: ${error.message} — ${error.remedy}` : 'Training failed.';
    case 'cancelled':
      return 'Training was cancelled. Nothing was changed.';
    case 'done':
      return version ? `Training finished: ${version}` : 'Training finished.';
    default:
      return '';
  }
}
