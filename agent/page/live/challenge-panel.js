/** The challenge test: which part must come next, the last outcome, and the buttons. */
import { errorText, post } from '../shared/api-client.js';
import { h, setText } from '../shared/dom.js';
import { timeOf } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';

/** @import { ChallengeView } from '../../publish/messages.ts' */

/** @type {ChallengeView} */
const never = { state: 'none', reason: '' };

/**
 * Above the cameras while somebody has to do something, else below everything.
 * @param {HTMLElement} panel
 */
export function createChallengePanel(panel) {
  const symbol = h('span', { class: 'challenge-symbol', 'aria-hidden': 'true' });
  const title = h('strong', { class: 'challenge-title' });
  const note = h('span', { class: 'challenge-note' });
  const problem = h('p', { class: 'challenge-problem', role: 'alert', hidden: true });
  /** @param {string} action @param {string} kind */
  const button = (action, kind) =>
    h('button', { class: `button ${kind}`, type: 'button', onclick: () => void ask(action) });
  const start = button('start', '');
  const placed = button('placed', 'is-primary');
  const cancel = button('cancel', '');
  panel.replaceChildren(
    symbol,
    // A screen reader reads the expected part when it changes.
    h('div', { class: 'challenge-text', 'aria-live': 'polite' }, title, note),
    h('div', { class: 'challenge-buttons', 'data-needs': 'operator' }, start, placed, cancel),
    problem,
  );

  /** @param {string} action */
  async function ask(action) {
    for (const one of [start, placed, cancel]) one.disabled = true;
    try {
      await post('api/v1/challenge', { action });
      problem.hidden = true;
    } catch (error) {
      problem.hidden = false;
      setText(problem, errorText(error));
    }
    for (const one of [start, placed, cancel]) one.disabled = false;
  }

  /** @param {boolean} isUrgent */
  function place(isUrgent) {
    if (panel.dataset.urgent === String(isUrgent)) return;
    panel.dataset.urgent = String(isUrgent);
    const focused = document.activeElement;
    if (isUrgent) panel.parentElement?.prepend(panel);
    else panel.parentElement?.append(panel);
    if (focused instanceof HTMLElement && panel.contains(focused)) focused.focus();
  }

  return {
    /** @param {ChallengeView | undefined} view */
    show(view = never) {
      const { state, expected } = view;
      panel.hidden = false;
      place(state !== 'none' && state !== 'passed');
      if (panel.dataset.state !== state) problem.hidden = true;
      panel.dataset.state = state;
      panel.dataset.part = expected?.part ?? '';
      setText(symbol, symbolOf(view));
      setText(title, titleOf(view));
      setText(note, noteOf(view));
      setText(
        start,
        state === 'passed' || state === 'failed'
          ? t('Repeat the challenge test')
          : t('Start the challenge test'),
      );
      setText(placed, t('The part is in place'));
      setText(cancel, t('Cancel the test'));
      start.hidden = state === 'running';
      placed.hidden = !expected?.waitsForPlaced;
      cancel.hidden = state !== 'running';
    },
  };
}

/** @param {ChallengeView} view */
function symbolOf({ state, expected }) {
  if (expected) return expected.part === 'bad' ? '✕' : '✓';
  if (state === 'failed' || state === 'overdue') return '!';
  return state === 'passed' ? '✓' : '?';
}

/** @param {ChallengeView} view */
function titleOf({ state, expected }) {
  if (expected) {
    const { camera } = expected;
    return expected.part === 'bad'
      ? t('Show a part that is known to be BAD to camera {camera}', { camera })
      : t('Show a part that is known to be GOOD to camera {camera}', { camera });
  }
  switch (state) {
    case 'running':
      return t('The result of the challenge test is being stored');
    case 'failed':
      return t('The challenge test failed');
    case 'overdue':
      return t('The challenge test is overdue');
    case 'due':
      return t('A challenge test is due');
    case 'passed':
      return t('The challenge test has passed');
    default:
      return t('No challenge test is due');
  }
}

/** @param {ChallengeView} view */
function noteOf({ state, expected, reason, deadline, passedAt }) {
  if (expected) {
    const { step, steps, recipe, remark } = expected;
    return remark === ''
      ? t('Part {step} of {steps}, recipe {recipe}. Time limit: {time}.', {
          step,
          steps,
          recipe,
          time: timeOf(deadline),
        })
      : t('Part {step} of {steps}. The previous part was not counted: {remark}. Show it again.', {
          step,
          steps,
          remark: fromAgent(remark),
        });
  }
  if (reason !== '') return fromAgent(reason);
  if (state === 'due') return t('It must pass by {time}.', { time: timeOf(deadline) });
  return passedAt === undefined
    ? t('It checks the station with parts that are known to be good and bad.')
    : t('Last passed: {time}.', { time: timeOf(passedAt) });
}
