/** The report of an agreement study. */
import { h } from '../shared/dom.js';
import { percentOf } from '../shared/format.js';
import { t } from '../shared/language.js';

/** @import { Rate, StudyReport } from '../../../calibration/study/views.ts' */

/** @typedef {Pick<StudyReport['overall'], 'kappa' | 'reading'>} Kappa */

/** @param {StudyReport} report */
export function studyReportView(report) {
  const { study, counted, within, between, overall, pairs, againstLabel, allAgainstLabel, head } = report;
  const open = study.operators.filter(({ name }) => !counted.includes(name));
  const notes = [
    ...open.map(({ name, answered }) =>
      t('{name} has answered {answered} of {questions} questions and is not counted.', {
        name,
        answered,
        questions: study.questions,
      }),
    ),
    t(
      'Ranges are 95 % intervals. Those of answers rather than parts are too narrow, because the answers of one operator to one part are not independent. Kappa is the agreement beyond chance: above 0.75 good, below 0.40 poor (AIAG).',
    ),
  ];
  return h(
    'div',
    { class: 'study-report' },
    h('h2', {}, study.name),
    h('ul', { class: 'details' }, ...notes.map((note) => h('li', {}, note))),
    counted.length === 0
      ? h('p', { class: 'empty-words' }, t('Nobody has answered all questions yet.'))
      : h(
          'div',
          { class: 'study-tables' },
          panel(
            t('Repeatability: parts with the same answer in each trial'),
            within.map((one) => row(one.operator, one, one)),
          ),
          panel(t('Reproducibility: equal answers of two operators'), [
            ...pairs.map((one) => row(t('{one} and {other}', { one: one.one, other: one.other }), one, one)),
            ...(between ? [row(t('All operators, all trials'), between, overall)] : []),
          ]),
          panel(t('Parts with the label of the dataset in each trial'), [
            ...againstLabel.map((one) => row(one.operator, one, one)),
            ...(allAgainstLabel ? [row(t('All operators'), allAgainstLabel)] : []),
          ]),
          panel(
            t('Defects called good'),
            againstLabel.map((one) => row(one.operator, one.missed)),
          ),
          panel(
            t('Good parts called defective'),
            againstLabel.map((one) => row(one.operator, one.falseAlarms)),
          ),
          panel(
            t('Equal to the prediction of the model from before the part was labelled'),
            [
              ...(head.againstLabel
                ? [row(t('Label of the dataset'), head.againstLabel, head.againstLabel)]
                : []),
              ...head.operators.map((one) => row(one.operator, one, one)),
            ],
            t('Parts without such a prediction, which are left out: {missing}.', { missing: head.missing }),
          ),
        ),
    counted.length > 0 && disputedView(report),
  );
}

/** @param {string} title @param {HTMLElement[]} rows @param {string} [note] */
const panel = (title, rows, note = '') =>
  h(
    'section',
    { class: 'panel' },
    h('h3', {}, title),
    rows.length > 0 && h('table', { class: 'study-table' }, h('tbody', {}, ...rows)),
    rows.length === 0 && h('p', { class: 'hint' }, t('Not available')),
    note !== '' && h('p', { class: 'hint' }, note),
  );

/** @param {string} name @param {Rate} rate @param {Kappa} [kappa] */
function row(name, { agree, of, share, low, high }, kappa) {
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, name),
    h('td', {}, t('{agree} of {of}', { agree, of })),
    h(
      'td',
      {},
      h('strong', {}, percentOf(share)),
      h('span', { class: 'study-range' }, `${percentOf(low)} – ${percentOf(high)}`),
    ),
    h('td', { data: { reading: kappa?.reading ?? '' } }, kappa ? kappaText(kappa) : ''),
  );
}

/** @param {Kappa} kappa */
function kappaText({ kappa, reading }) {
  if (kappa === null) return t('κ undefined');
  const value = kappa.toFixed(2);
  switch (reading) {
    case 'good':
      return t('κ {value}, good', { value });
    case 'poor':
      return t('κ {value}, poor', { value });
    default:
      return t('κ {value}, fair', { value });
  }
}

/** @param {StudyReport} report */
function disputedView({ study, disputed }) {
  return h(
    'section',
    { class: 'panel' },
    h('h3', {}, t('Parts that got different answers')),
    h(
      'p',
      { class: 'hint' },
      disputed.length > 0
        ? t('They are candidates for a label such as "unclear", or for a better description of the labels.')
        : t('Every part got the same answer each time.'),
    ),
    h(
      'ul',
      { class: 'study-disputed' },
      ...disputed.map(({ part, label, head, answers }) =>
        h(
          'li',
          {},
          h('img', {
            src: `api/v1/studies/${encodeURIComponent(study.id)}/parts/${part}.png`,
            alt: t('Part {n}', { n: part + 1 }),
            loading: 'lazy',
          }),
          h(
            'p',
            {},
            head === null
              ? t('Labelled {label}', { label })
              : t('Labelled {label}, predicted {head}', { label, head }),
          ),
          ...answers.map(({ operator, labels }) =>
            h('p', { class: 'hint' }, t('{operator}: {labels}', { operator, labels: labels.join(', ') })),
          ),
        ),
      ),
    ),
  );
}
