/** The labelling desk: one part after the other, one key or tap a part. */
import { ApiError, get, link, post } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { person } from '../shared/user.js';
import { ageOf, labelOf, percentOf, verdictWords } from '../shared/verdicts.js';
import { createCandidateQueue } from './candidate-queue.js';
import { createPictureBox } from './image-box.js';
import { createLabelButtons } from './label-buttons.js';

/** @param {{store: object, changes: object, toasts: object, say: (text: string) => void}} tools */
export function createLabelView({ store, changes, toasts, say }) {
  const box = createPictureBox(byId('look-frame'), byId('look-why'));
  let labelledHere = 0;
  const queue = createCandidateQueue({
    onChange: () => draw(),
    onGone: ({ part }, error) => toasts.warn(`Part ${part.partId} is left out: ${error.words}`),
    onError: (error) => toasts.error(error),
  });

  const label = async (name) => {
    const entry = queue.current;
    if (!link.isUp || !entry || box.image !== entry.image || !entry.image) {
      say('No picture yet: nothing was labelled.');
      return;
    }
    labelledHere++;
    const sent = changes.label(entry, name);
    queue.take(entry);
    say(`${name}. ${queue.current ? nextWords(queue.current) : 'No more parts wait.'}`);
    try {
      await sent;
      queue.settle(entry);
    } catch (error) {
      labelledHere--;
      if (error instanceof ApiError && error.code === 'candidate-gone') {
        toasts.warn(`Part ${entry.part.partId}: ${error.words}`);
        queue.settle(entry);
      } else {
        queue.bringBack(entry, error instanceof ApiError ? error.words : String(error));
        toasts.error(error);
      }
    }
    draw();
  };
  /** @param {{resultId: string, label: string | null, by: string, isOwn: boolean}} answer */
  const answered = ({ resultId, label, by, isOwn }) => {
    if (isOwn) return;
    const gone = queue.answeredElsewhere(resultId);
    if (!gone) return;
    const who = by === person.name ? 'somebody else' : by;
    toasts.warn(
      label === null
        ? `Part ${gone.part.partId} was skipped by ${who}.`
        : `Part ${gone.part.partId} was labelled ${label} by ${who}.`,
    );
  };
  const skip = () => {
    const entry = queue.current;
    if (!entry || !link.isUp) return;
    // A correction was never offered, so there is nothing to skip at the agent.
    if (!entry.isCorrection) changes.skip(entry);
    queue.take(entry);
    say(`Skipped. ${queue.current ? nextWords(queue.current) : ''}`);
  };
  const buttons = createLabelButtons({ onPick: label });
  byId('label-buttons').append(buttons.element);
  byId('skip').addEventListener('click', skip);
  byId('undo').addEventListener('click', changes.undo);
  byId('look-why').addEventListener('click', box.toggleWhy);

  changes.on('change', () => draw());
  changes.on('back', (entry, what) => {
    if (what === 'label') labelledHere--;
    queue.bringBack(entry);
    say(`Undone: ${entry.part.partId} is back.`);
  });
  changes.on('away', (entry) => {
    labelledHere++;
    queue.drop(entry);
  });

  const switchMode = async () => {
    const mode = store.value?.calibrating ? 'inspection' : 'calibration';
    byId('mode-switch').disabled = true;
    try {
      await post('api/v1/mode', { mode });
    } catch (error) {
      toasts.error(error);
    }
    byId('mode-switch').disabled = false;
    await store.refresh();
  };
  byId('mode-switch').addEventListener('click', switchMode);

  /** Words are drawn once: a button among them must not be replaced under a finger. */
  let said;
  const sayInstead = (key, words) => {
    if (said === key) return;
    said = key;
    box.say(...words());
  };
  const drawPicture = () => {
    const entry = queue.current;
    if (entry?.image) {
      const { resultId, partId } = entry.part;
      said = undefined;
      box.show(entry.image, `Part ${partId}`, `api/v1/results/${resultId}/why.png`);
    } else if (entry) {
      const words = link.isUp ? 'The picture is on its way …' : 'No connection: the picture comes later.';
      sayInstead(words, () => [h('p', {}, words)]);
    } else {
      sayInstead(`empty ${store.value?.calibrating} ${store.value?.heldByOthers}`, () =>
        emptyWords(store.value, switchMode),
      );
    }
    buttons.disable(!entry?.image || !link.isUp);
    byId('skip').disabled = !entry || !link.isUp;
  };
  const drawWords = () => {
    const { part, problem, isCorrection } = queue.current ?? {};
    const card = byId('said');
    card.hidden = !part;
    card.dataset.verdict = part?.verdict ?? 'none';
    setText(byId('look-facts'), part ? factsOf(part) : '');
    setText(byId('said-head'), part ? headWords(part) : '');
    const why = isCorrection ? 'You want to correct this one: choose what it is.' : (part?.why ?? '');
    setText(byId('said-why'), problem === undefined ? why : `Not saved: ${problem}. Label it again.`);
    card.classList.toggle('is-problem', problem !== undefined);
  };
  const drawTally = () => {
    const { waiting = 0, frames = 0 } = store.value ?? {};
    const more = Math.max(waiting, queue.size);
    setText(
      byId('tally'),
      `${labelledHere} labelled in this session · ${more} waiting · ${frames} in the dataset`,
    );
    const { words, canUndo } = changes.undoable;
    setText(byId('undo-words'), words);
    byId('undo').disabled = !canUndo;
  };
  function draw() {
    drawPicture();
    drawWords();
    drawTally();
  }
  const drawMode = ({ calibrating }) => {
    const button = byId('mode-switch');
    button.disabled = false;
    button.setAttribute('aria-checked', String(calibrating));
    setText(
      byId('mode-words'),
      calibrating ? 'On: parts worth a label are collected.' : 'Off: no new parts are collected.',
    );
  };

  store.subscribe((overview) => {
    buttons.show(overview.labels);
    drawMode(overview);
    draw();
    // Elsewhere on this page nobody labels: others may have the parts.
    if (!byId('view-label').hidden && !document.hidden) void queue.fill(overview.waiting);
  });
  link.onChange(() => draw());
  draw();

  return {
    element: byId('view-label'),
    title: 'Label',
    answered,
    /** @param {string} resultId a past part to correct, from a link */
    async show(resultId) {
      if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(resultId)) return;
      history.replaceState(undefined, '', '#label');
      const past = await get(`api/v1/evidence/${resultId}.json`).catch(() => undefined);
      queue.correct(resultId, past && { ...past, label: labelOf(past), why: '' });
    },
    onKey(event) {
      if (event.ctrlKey) return false;
      const name = buttons.labelOf(event);
      // A key that is held down is meant once.
      if (name !== undefined) {
        if (!event.repeat) void label(name);
        return true;
      }
      const key = event.key.toLowerCase();
      if (key === 'n') buttons.focusField();
      else if (key === 'w') void box.toggleWhy();
      else if (event.repeat) return false;
      else if (key === 's' || key === ' ') skip();
      else if (key === 'z' || key === 'backspace') void changes.undo();
      else return false;
      return true;
    },
  };
}

const headWords = ({ verdict, label, probability }) => {
  if (!verdict) return '';
  if (label === null) return 'There is no head yet that could say anything.';
  return `${verdictWords[verdict].symbol} The head says ${label}${probability === null ? '' : `, ${percentOf(probability, 0)} sure`}`;
};

const nextWords = ({ part }) => `Next: ${part.partId}${part.label ? `, the head says ${part.label}` : ''}.`;

const factsOf = ({ camera, partId, capturedAt }) =>
  [camera, partId, capturedAt && ageOf(Date.now() - Date.parse(capturedAt))].filter(Boolean).join(' · ');

/** What to do when nothing waits. */
function emptyWords(overview, switchMode) {
  if (!overview) return [h('p', {}, 'Asking the agent …')];
  if (overview.heldByOthers > 0) {
    return [
      h('h2', {}, 'Others are at it'),
      h(
        'p',
        {},
        `Somebody else is labelling what waits (${overview.heldByOthers}). The next part appears here by itself.`,
      ),
    ];
  }
  if (overview.calibrating) {
    return [
      h('h2', {}, 'Waiting for parts'),
      h('p', {}, 'Nothing waits for a label. The next part worth one appears here by itself.'),
    ];
  }
  return [
    h('h2', {}, 'No parts to label'),
    h('p', {}, 'Switch calibration on, and parts worth a label are collected while the line runs.'),
    h(
      'button',
      { class: 'button is-primary', type: 'button', data: { needs: 'operator' }, onclick: switchMode },
      'Switch calibration on',
    ),
  ];
}
