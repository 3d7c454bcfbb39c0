/** The evaluation of a version, and what the user can do with it. */
import { errorText, frameThumbnailPath, get } from '../shared/api-client.js';
import { h } from '../shared/dom.js';
import { capital, percentOf } from '../shared/format.js';
import { explanation, terms } from '../shared/help.js';
import { fromAgent, t } from '../shared/language.js';
import { openFrameViewer } from './frame-viewer.js';
import { learningPanel } from './learning-panel.js';
import { agreementText, rateNumbers, rateText } from './rates.js';
import { confusionTable, labelTable } from './report-tables.js';
import { checkNames, originText, summaryOf } from './report-text.js';
import { createShadowPanel } from './shadow-panel.js';
import { createVersionActions } from './version-actions.js';

/** @import { Overview } from '../../../calibration/views.ts' */
/** @import { Report } from '../../../calibration/train/report.ts' */
/** @import { Interval, RateKind } from './rates.js' */
/** @import { Tools } from './tools.js' */
/** @typedef {ReturnType<typeof createReportPanel>} ReportPanel */

const maxMistakes = 12;

/** @param {string} version @param {Tools} tools */
export function createReportPanel(version, tools) {
  const element = h(
    'article',
    { class: 'report', 'aria-label': t('Report of {version}', { version }) },
    h('p', {}, t('Loading the report …')),
  );
  const actions = createVersionActions(version, tools);
  const shadow = createShadowPanel(version);
  /** @type {Overview | undefined} */
  let latest;
  const load = async () => {
    try {
      /** @type {Report} */
      const report = await get(`api/v1/models/${version}/report`);
      actions.setGate(report.gate);
      element.replaceChildren(
        summaryPanel(version, report, tools, actions.element),
        shadow.element,
        ...(report.goodOnly
          ? [goodOnlyPanel(report.goodOnly, report.promise)]
          : [
              ratesPanel(report),
              checksPanel(report),
              learningPanel(report),
              mistakesPanel(report, tools),
              h('div', { class: 'tables' }, confusionTable(report), labelTable(report)),
            ]),
        report.fineTuning ? fineTuningPanel(report.fineTuning) : '',
        ...[report.places, report.goodParts].map((learned) =>
          learned ? h('p', { class: 'hint' }, `${capital(fromAgent(learned.sentence))}.`) : '',
        ),
        h('p', { class: 'hint' }, originText(report)),
      );
    } catch (error) {
      // Versions of earlier releases have no report; they can still be promoted.
      element.replaceChildren(
        h('h2', {}, version),
        h('p', { class: 'hint' }, t('There is no report: {problem}', { problem: errorText(error) })),
        actions.element,
        h('button', { class: 'button', type: 'button', onclick: load }, t('Try again')),
      );
    }
    if (latest) update(latest);
  };
  /** @param {Overview} overview */
  const update = (overview) => {
    latest = overview;
    actions.update(overview);
    shadow.update(overview);
  };
  void load();
  return { version, element, update };
}

/** @param {string} version @param {Report} report @param {Tools} tools @param {HTMLElement} actions */
function summaryPanel(version, report, { overview }, actions) {
  const { tone, text } = summaryOf(version, report, overview.value?.active);
  return h(
    'section',
    { class: 'panel verdict-panel', data: { tone } },
    h('h2', {}, t('Version {version}', { version })),
    h('p', { class: 'plain' }, h('span', { 'aria-hidden': 'true' }, tone === 'good' ? '✓ ' : '✕ '), text),
    h('p', { class: 'gate' }, `${capital(fromAgent(report.gate.reason))}.`),
    actions,
  );
}

/** @param {Report} report */
function ratesPanel(report) {
  const { escapes, falseRejects, uncertain, promise, doubt } = report;
  return h(
    'section',
    { class: 'panel' },
    h('h3', {}, t('Expected on the line')),
    h(
      'dl',
      { class: 'rates' },
      rateItem(t('Escapes'), escapes, 'escapes'),
      rateItem(t('False rejects'), falseRejects, 'falseRejects'),
      rateItem(t('Uncertain'), uncertain, 'uncertain'),
    ),
    h('p', { class: 'hint' }, agreementText(report)),
    doubt === undefined
      ? ''
      : h(
          'p',
          { class: 'hint' },
          t(
            'The number of labelled parts justifies no probability above {limit}: more labels raise this limit.',
            {
              limit: percentOf(1 - doubt),
            },
          ),
        ),
    promiseList(promise),
    explanation(terms.threshold(), terms.uncertain(), terms.unfamiliar()),
  );
}

/** @param {Report['promise']} promise */
const promiseList = (promise) =>
  h(
    'ul',
    { class: 'promises' },
    ...promise.map(({ kept, text }) =>
      h('li', { data: { kept } }, `${kept ? '✓' : '▲'} ${capital(fromAgent(text))}.`),
    ),
  );

/**
 * For a model that was trained on good parts only. @param {NonNullable<Report['goodOnly']>} goodOnly @param
 * {Report['promise']} promise
 */
function goodOnlyPanel({ heldBack, defects }, promise) {
  return h(
    'section',
    { class: 'panel' },
    h('h3', {}, t('Expected on the line')),
    h(
      'dl',
      { class: 'rates' },
      rateItem(t('False alarms'), heldBack, 'falseAlarms'),
      ...defects.map(({ label, count, heldBack: noticed }) =>
        h(
          'div',
          {},
          h('dt', {}, label),
          h(
            'dd',
            { class: 'rate-words' },
            t('{n} of {total} would be uncertain.', { n: noticed, total: count }),
          ),
        ),
      ),
    ),
    h(
      'p',
      { class: 'hint' },
      t(
        'This model was trained on good parts only. A part that is unlike them is uncertain; no part fails. As soon as a defect has 4 labelled parts, train again: the new model can then recognise this defect.',
      ),
    ),
    promiseList(promise),
  );
}

/** @param {string} name @param {Interval} interval @param {RateKind} kind */
function rateItem(name, interval, kind) {
  return h(
    'div',
    {},
    h('dt', {}, name),
    h('dd', { class: 'rate-words' }, rateText(interval, kind)),
    h('dd', { class: 'rate-figures' }, rateNumbers(interval)),
  );
}

/** What fine-tuning the base did or would have done. @param {NonNullable<Report['fineTuning']>} fineTuning */
function fineTuningPanel({ sentence, checks }) {
  return h(
    'section',
    { class: 'panel' },
    h('h3', {}, t('Fine-tuning')),
    h('p', {}, `${capital(fromAgent(sentence))}.`),
    checkList(checks),
  );
}

/** @param {Report} report */
function checksPanel({ checks }) {
  return h('section', { class: 'panel' }, h('h3', {}, t('Checks')), checkList(checks));
}

/** @param {Report['checks']} checks */
const checkList = (checks) =>
  h(
    'ul',
    { class: 'checks' },
    ...checks.map(({ name, ok, sentence }) =>
      h(
        'li',
        { data: { ok } },
        h(
          'span',
          { class: 'check-symbol', role: 'img', 'aria-label': ok ? t('passed') : t('failed') },
          ok ? '✓' : '✕',
        ),
        h('span', {}, h('strong', {}, `${checkNames[name]}: `), `${fromAgent(sentence)}.`),
      ),
    ),
  );

/** @param {Report} report @param {Tools} tools */
function mistakesPanel({ worst }, { overview }) {
  const title = h('h3', {}, t('Worst mistakes'));
  if (worst.length === 0) {
    return h('section', { class: 'panel' }, title, h('p', {}, t('None: every prediction was correct.')));
  }
  const frames = worst.slice(0, maxMistakes).map(({ id, label, said, probability }) => ({
    id,
    text: t('Labelled {label}, predicted {predicted} ({share})', {
      label,
      predicted: said,
      share: percentOf(probability, 0),
    }),
  }));
  /** @param {number} index */
  const open = (index) => openFrameViewer(frames, index, { labels: overview.value?.labels ?? [] });
  return h(
    'section',
    { class: 'panel' },
    title,
    h(
      'p',
      { class: 'hint' },
      t(
        'The most confident first. If one of these labels is wrong, fix it in the Gallery tab and train again.',
      ),
    ),
    h(
      'ul',
      { class: 'worst' },
      ...frames.map(({ id, text }, index) =>
        h(
          'li',
          {},
          h(
            'button',
            { class: 'mini', type: 'button', onclick: () => open(index) },
            h('img', { src: frameThumbnailPath(id), alt: '', loading: 'lazy', width: 132, height: 104 }),
            h('span', { class: 'mini-words' }, text),
          ),
        ),
      ),
    ),
  );
}
