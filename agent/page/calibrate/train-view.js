/** The Train tab: starts, follows and cancels a training, and shows the report of the candidate. */
import { post, problemText } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { capital, countOf, startedText } from '../shared/format.js';
import { fromAgent, t, tn } from '../shared/language.js';
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
      announce(t('Training has started.'));
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
  const drawProgress = ({ state, step, done, total, secondsLeft, startedAt, by }) => {
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
    const now = capital(fromAgent(step));
    setText(
      byId('train-step'),
      total > 0 ? t('{step} ({done} of {total})', { step: now, done, total }) : now,
    );
    setText(byId('train-since'), startedText(by, startedAt));
    setText(byId('train-left'), timeLeftText(secondsLeft));
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
    if (list.length > 0) box.append(h('ul', {}, ...list.map((notice) => h('li', {}, fromAgent(notice)))));
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
  return { element: byId('view-train'), title: t('Train') };
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
  const fineTune = data.get('fineTune');
  return {
    ...(views === 'none' || views === 'flips' || views === 'turns' ? { views } : {}),
    ...(fineTune === 'off' || fineTune === 'auto' || fineTune === 'on' ? { fineTune } : {}),
    ...share('escapeRate'),
    ...share('falseRejectRate'),
    ...share('falseAlarmRate'),
  };
}

/** @param {number | null} seconds */
function timeLeftText(seconds) {
  if (seconds === null) return '';
  const minutes = Math.max(1, Math.round(seconds / 60));
  return tn('This step takes about {n} more minute.', 'This step takes about {n} more minutes.', minutes);
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
        h('span', { class: 'bars-count' }, countOf(count)),
      );
    }),
  );
}

/** @param {readonly Label[]} labels @param {number} frames */
function hintOf(labels, frames) {
  const good = goodPartsOf(labels);
  if (good !== undefined && good > 0) {
    const missing = Math.max(0, minGood - good);
    if (missing > 0)
      return tn(
        '{n} good part labelled. Training needs {missing} more.',
        '{n} good parts labelled. Training needs {missing} more.',
        good,
        { missing },
      );
    return `${promiseText(good)} ${t('As soon as a defect has {n} labelled parts, a new model can recognise it.', { n: minDefect })}`;
  }
  const missing = labels
    .filter(({ count }) => count < goodCount)
    .map(({ name, count }) => t('{n} more {label}', { n: goodCount - count, label: name }));
  const total = tn('{n} part labelled.', '{n} parts labelled.', frames);
  if (missing.length === 0) return `${total} ${t('That is enough to train; more improve the model.')}`;
  return `${total} ${t('For a better model, label {labels}.', { labels: missing.slice(0, 4).join(', ') })}`;
}

/** @param {TrainingView['state']} state @param {TrainingView['error']} error @param {string | null} version */
function outcomeText(state, error, version) {
  switch (state) {
    case 'failed':
      return error ? t('Training failed: {problem}', { problem: problemText(error) }) : t('Training failed.');
    case 'cancelled':
      return t('Training was cancelled. Nothing was changed.');
    case 'done':
      return version ? t('Training finished: {version}', { version }) : t('Training finished.');
    default:
      return '';
  }
}
