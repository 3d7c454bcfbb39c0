/** The Study tab: studies in which several people label the same parts blind, their progress, and their reports. */
import { get, post } from '../shared/api-client.js';
import { byId, h } from '../shared/dom.js';
import { timeOf } from '../shared/format.js';
import { t } from '../shared/language.js';
import { user } from '../shared/user.js';
import { createStudyForm } from './study-form.js';
import { createStudyQuestion } from './study-question.js';
import { studyReportView } from './study-report.js';

/** @import { StudyReport, StudySummary } from '../../../calibration/study/views.ts' */
/** @import { Tools } from './tools.js' */

/** The address after the hash: `study`, `study/ID` for the questions, `study/ID/report`. @param {Tools} tools */
export function createStudyView({ toasts, announce }) {
  const element = byId('view-study');
  const question = createStudyQuestion({ toasts, announce, onClose: () => open('') });
  const form = createStudyForm({
    async onCreate(request) {
      try {
        await post('api/v1/studies', request);
        announce(t('The study was created.'));
        await show('');
        return true;
      } catch (error) {
        toasts.error(error);
        return false;
      }
    },
  });
  /** Incremented with each change, so that a late answer does not replace newer content. */
  let changes = 0;
  let isAsking = false;

  /** @param {string} rest */
  const open = (rest) => {
    location.hash = rest === '' ? '#study' : `#study/${rest}`;
  };

  /** @param {string} rest */
  async function show(rest) {
    const own = ++changes;
    const [id = '', page] = rest.split('/');
    isAsking = id !== '' && page !== 'report';
    try {
      if (isAsking) {
        element.replaceChildren(question.element);
        await question.start(id);
      } else if (id !== '') {
        /** @type {StudyReport} */
        const report = await get(`api/v1/studies/${encodeURIComponent(id)}/report`);
        if (own === changes) element.replaceChildren(back(), studyReportView(report));
      } else {
        /** @type {StudySummary[]} */
        const all = await get('api/v1/studies');
        if (own === changes) element.replaceChildren(head(), list(all), form.element);
      }
    } catch (error) {
      toasts.error(error);
      if (own === changes && id !== '') open('');
    }
  }

  const back = () =>
    h(
      'div',
      {},
      h('button', { class: 'button', type: 'button', onclick: () => open('') }, t('Back to the studies')),
    );

  /** @param {readonly StudySummary[]} all */
  const list = (all) =>
    all.length > 0
      ? h('ul', { class: 'studies' }, ...all.map((one) => card(one, open)))
      : h('p', { class: 'empty-words' }, t('There is no study yet.'));

  return {
    element,
    title: t('Study'),
    /** @param {string} rest */
    show: (rest) => void show(rest),
    /** @param {KeyboardEvent} event */
    onKey: (event) => isAsking && question.onKey(event),
  };
}

const head = () =>
  h(
    'p',
    { class: 'hint' },
    t(
      'In a study several people label the same parts at least twice, in random order, without seeing labels or predictions. The report shows how well they agree with themselves, with each other and with the model. The labels of the dataset do not change.',
    ),
  );

/** @param {StudySummary} study @param {(rest: string) => void} open */
function card({ id, name, createdAt, parts, trials, operators, questions, yours }, open) {
  const progress = operators.map((one) =>
    h(
      'li',
      {},
      h(
        'span',
        {},
        t('{name}: {answered} of {questions}', { name: one.name, answered: one.answered, questions }),
      ),
      h('progress', { class: 'progress', max: questions, value: one.answered, 'aria-label': one.name }),
    ),
  );
  const isOpen = yours !== null && yours < questions;
  const answer = h(
    'button',
    { class: 'button is-primary', type: 'button', 'data-needs': 'operator', onclick: () => open(id) },
    yours === 0 ? t('Start') : t('Continue'),
  );
  const report = h(
    'button',
    { class: 'button', type: 'button', onclick: () => open(`${id}/report`) },
    t('Report'),
  );
  return h(
    'li',
    { class: 'panel study-card' },
    h('h3', {}, name),
    h(
      'p',
      { class: 'hint' },
      t('Parts: {parts}, trials: {trials}, created on {time}', { parts, trials, time: timeOf(createdAt) }),
    ),
    h('ul', { class: 'study-progress' }, ...progress),
    h('div', { class: 'row' }, isOpen && answer, user.role === 'engineer' && report),
  );
}
