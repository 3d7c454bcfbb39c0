/** The questions of a study: one image at a time, and a button with a number key for each label. Nothing else about the part. */
import { fetchImage, get, post } from '../shared/api-client.js';
import { h, setText } from '../shared/dom.js';
import { t } from '../shared/language.js';

/** @import { StudyQuestion } from '../../../calibration/study/views.ts' */
/** @import { Tools } from './tools.js' */

const numberKeys = 9;

/** @param {Pick<Tools, 'toasts' | 'announce'> & {onClose: () => void}} tools */
export function createStudyQuestion({ toasts, announce, onClose }) {
  const progress = h('p', { class: 'view-text study-step', role: 'status' });
  const bar = h('progress', { class: 'progress' });
  const image = h('div', { class: 'study-image' });
  const picks = h('div', { class: 'study-picks', role: 'group', 'aria-label': t('Labels') });
  const close = h('button', { class: 'button', type: 'button', onclick: onClose }, t('Pause'));
  const element = h(
    'div',
    { class: 'study-question' },
    progress,
    bar,
    image,
    picks,
    h('div', { class: 'row' }, close),
  );
  /** @type {StudyQuestion | undefined} */
  let current;
  /** Whether the image of the current question is visible: before that, nothing can be answered. */
  let isShown = false;

  /** @param {boolean} isOn */
  const enable = (isOn) => {
    isShown = isOn;
    for (const button of picks.querySelectorAll('button')) button.disabled = !isOn;
  };

  /** @param {StudyQuestion} next */
  async function show(next) {
    current = next;
    const { id, position, questions, labels } = next;
    bar.max = questions;
    bar.value = position ?? questions;
    bar.setAttribute('aria-label', t('Answered questions'));
    setText(close, position === null ? t('Back to the studies') : t('Pause'));
    image.replaceChildren();
    if (position === null) {
      setText(progress, t('All questions are answered. Thank you.'));
      picks.replaceChildren();
      enable(false);
      close.focus();
      return;
    }
    setText(progress, t('Question {n} of {questions}: which label fits?', { n: position + 1, questions }));
    if (picks.childElementCount !== labels.length)
      picks.replaceChildren(...labels.map(({ name, good }, index) => pick(name, good, index)));
    enable(false);
    const shown = await fetchImage(`api/v1/studies/${encodeURIComponent(id)}/question/${position}.png`);
    if (current !== next) return;
    shown.alt = t('Part of question {n}', { n: position + 1 });
    image.replaceChildren(shown);
    enable(true);
  }

  /** @param {string} label */
  async function answer(label) {
    const asked = current;
    if (!isShown || !asked || asked.position === null) return;
    enable(false);
    const path = `api/v1/studies/${encodeURIComponent(asked.id)}`;
    try {
      const next = await post(`${path}/answers`, { position: asked.position, label });
      announce(t('Answered: {label}', { label }));
      await show(next);
    } catch (error) {
      toasts.error(error);
      // The answer may have arrived although the response was lost.
      await get(`${path}/question`).then(show, () => enable(true));
    }
  }

  /** @param {string} name @param {boolean} good @param {number} index */
  const pick = (name, good, index) =>
    h(
      'button',
      {
        class: 'pick',
        type: 'button',
        data: { tone: good ? 'good' : 'bad' },
        'aria-keyshortcuts': index < numberKeys && String(index + 1),
        onclick: () => void answer(name),
      },
      index < numberKeys ? h('kbd', { 'aria-hidden': 'true' }, String(index + 1)) : h('span', {}),
      h('span', { class: 'pick-symbol', 'aria-hidden': 'true' }, good ? '✓' : '✕'),
      h('span', { class: 'pick-name', title: name }, name),
    );

  return {
    element,
    /** @param {string} id */
    async start(id) {
      picks.replaceChildren();
      await show(await get(`api/v1/studies/${encodeURIComponent(id)}/question`));
    },
    /** @param {KeyboardEvent} event */
    onKey({ key, repeat }) {
      const label = /^[1-9]$/.test(key) ? current?.labels[Number(key) - 1]?.name : undefined;
      // A key that is held down answers one question.
      if (label === undefined || repeat) return false;
      void answer(label);
      return true;
    },
  };
}
