/** How a version was judged, and what may be done with it. */
import { ApiError, frameThumb, get } from '../shared/api-client.js';
import { h } from '../shared/dom.js';
import { percentOf } from '../shared/verdicts.js';
import { openFrameViewer } from './frame-viewer.js';
import { capital, intervalFigures, intervalWords } from './rates.js';
import { confusionTable, labelTable } from './report-tables.js';
import { checkWords, originWords, verdictOf } from './report-text.js';
import { createShadowPanel } from './shadow-panel.js';
import { createVersionActions } from './version-actions.js';

const worstShown = 12;

/**
 * @param {string} version @param {{store: object, toasts: object, say: (text: string) => void}} tools
 * @returns {{version: string, element: HTMLElement, update: (overview: object) => void}}
 */
export function createReportPanel(version, tools) {
  const element = h(
    'article',
    { class: 'report', 'aria-label': `Report of ${version}` },
    h('p', {}, 'Opening the report …'),
  );
  const actions = createVersionActions(version, tools);
  const shadow = createShadowPanel(version, tools);
  let overview;
  const load = async () => {
    try {
      const report = await get(`api/v1/models/${version}/report`);
      actions.judge(report.gate);
      element.replaceChildren(...sections(version, report, tools, [actions.element, shadow.element]));
    } catch (error) {
      const words = error instanceof ApiError ? error.words : String(error);
      // It may still be promoted: older versions have no report.
      element.replaceChildren(
        h('h2', {}, version),
        h('p', { class: 'hint' }, `There is no report: ${words}`),
        actions.element,
        h('button', { class: 'button', type: 'button', onclick: load }, 'Try again'),
      );
    }
    if (overview) update(overview);
  };
  const update = (value) => {
    overview = value;
    actions.update(value);
    shadow.update(value);
  };
  void load();
  return { version, element, update };
}

function sections(version, report, { store }, [actions, shadow]) {
  const { tone, text } = verdictOf(version, report, store.value?.active);
  return [
    h(
      'section',
      { class: 'panel verdict-panel', data: { tone } },
      h('h2', {}, `Version ${version}`),
      h('p', { class: 'plain' }, h('span', { 'aria-hidden': 'true' }, tone === 'good' ? '✓ ' : '✕ '), text),
      h('p', { class: 'gate' }, `${capital(report.gate.reason)}.`),
      actions,
    ),
    shadow,
    h(
      'section',
      { class: 'panel' },
      h('h3', {}, 'On the line'),
      h(
        'dl',
        { class: 'rates' },
        rate('Escapes', report.escapes, 'bad parts', 'would pass'),
        rate('False rejects', report.falseRejects, 'good parts', 'would fail'),
        rate('Uncertain', report.uncertain, 'parts', 'would be uncertain'),
      ),
      h(
        'ul',
        { class: 'promises' },
        ...report.promise.map(({ kept, text }) =>
          h('li', { data: { kept } }, `${kept ? '✓' : '▲'} ${capital(text)}.`),
        ),
      ),
    ),
    h(
      'section',
      { class: 'panel' },
      h('h3', {}, 'Checks'),
      h(
        'ul',
        { class: 'checks' },
        ...report.checks.map(({ name, ok, sentence }) =>
          h(
            'li',
            { data: { ok } },
            h(
              'span',
              { class: 'check-symbol', role: 'img', 'aria-label': ok ? 'passed' : 'failed' },
              ok ? '✓' : '✕',
            ),
            h('span', {}, h('strong', {}, `${checkWords[name]}: `), `${sentence}.`),
          ),
        ),
      ),
    ),
    worstMistakes(report, store),
    h('div', { class: 'tables' }, confusionTable(report), labelTable(report)),
    h('p', { class: 'hint' }, originWords(report)),
  ];
}

function rate(name, interval, parts, happens) {
  return h(
    'div',
    {},
    h('dt', {}, name),
    h('dd', { class: 'rate-words' }, `${capital(intervalWords(interval, parts, happens))}.`),
    h('dd', { class: 'rate-figures' }, intervalFigures(interval, parts)),
  );
}

function worstMistakes({ worst }, store) {
  if (worst.length === 0) {
    return h(
      'section',
      { class: 'panel' },
      h('h3', {}, 'Worst mistakes'),
      h('p', {}, 'None: every part was judged right.'),
    );
  }
  const shown = worst.slice(0, worstShown);
  const wordsOf = ({ label, said, probability }) =>
    `is ${label}, said ${said} (${percentOf(probability, 0)})`;
  const frames = shown.map((one) => ({ id: one.id, words: capital(wordsOf(one)) }));
  const open = (index) => openFrameViewer(frames, index, { labels: store.value?.labels ?? [] });
  return h(
    'section',
    { class: 'panel' },
    h('h3', {}, 'Worst mistakes'),
    h(
      'p',
      { class: 'hint' },
      'The surest first. If one of these labels is wrong, correct it in the gallery and train again.',
    ),
    h(
      'ul',
      { class: 'worst' },
      ...shown.map((one, index) =>
        h(
          'li',
          {},
          h(
            'button',
            { class: 'mini', type: 'button', onclick: () => open(index) },
            h('img', { src: frameThumb(one.id), alt: '', loading: 'lazy', width: 132, height: 104 }),
            h('span', { class: 'mini-words' }, wordsOf(one)),
          ),
        ),
      ),
    ),
  );
}
