/** The Label tab: shows one part after the other; one key or tap labels it. */
import { ApiError, connection, errorText, get, post } from '../shared/api-client.js';
import { confirm } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { ageOf, capital, listed, percentOf } from '../shared/format.js';
import { explanation, terms } from '../shared/help.js';
import { fromAgent, t, tn } from '../shared/language.js';
import { user } from '../shared/user.js';
import { labelOf, verdictWords } from '../shared/verdicts.js';
import { createCandidateQueue } from './candidate-queue.js';
import { createImageBox } from './image-box.js';
import { createLabelButtons } from './label-buttons.js';
import { createMarksLayer } from './marks-layer.js';
import { createMarksWanted } from './marks-wanted.js';

/** @import { Overview } from '../../../calibration/views.ts' */
/** @import { AnswerEvent } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */
/** @import { Child } from '../shared/dom.js' */
/** @import { CandidateEntry, Part } from './candidate-queue.js' */
/** @import { Tools } from './tools.js' */

/** @param {Tools} tools */
export function createLabelView({ overview, changes, toasts, announce }) {
  const wanted = createMarksWanted({ overview, changes, toasts, announce });
  const element = byId('view-label');
  const skipButton = byId('skip', HTMLButtonElement);
  const undoButton = byId('undo', HTMLButtonElement);
  const modeSwitch = byId('mode-switch', HTMLButtonElement);
  const layer = createMarksLayer({
    onChange(marks) {
      const entry = queue.current;
      if (entry) entry.marks = marks;
      draw();
    },
    announce,
  });
  const box = createImageBox(byId('look-frame'), byId('look-why', HTMLButtonElement), layer);
  let labelledHere = 0;
  const queue = createCandidateQueue({
    onChange: () => draw(),
    onGone: ({ part }, error) =>
      toasts.warn(t('Part {part} was skipped: {problem}', { part: part.partId, problem: error.text })),
    onError: (error) => toasts.error(error),
  });

  /** @param {string} name */
  const label = async (name) => {
    const entry = queue.current;
    if (!connection.isUp || !entry?.image || box.image !== entry.image) {
      announce(t('No image is shown: nothing was labelled.'));
      return;
    }
    if (entry.marks && entry.marks.length > 0 && overview.isGood(name)) {
      const isSure = await confirm({
        title: t('Label it {label} without marks?', { label: name }),
        text: tn(
          'You marked {n} defect on this part, but {label} means a good part.',
          'You marked {n} defects on this part, but {label} means a good part.',
          entry.marks.length,
          { label: name },
        ),
        yes: t('{label}, remove the marks', { label: name }),
      });
      if (!isSure || queue.current !== entry) return;
      entry.marks = [];
    }
    labelledHere++;
    const sent = changes.label(entry, name);
    queue.take(entry);
    announce(`${name}. ${queue.current ? nextText(queue.current) : t('No more parts to label.')}`);
    try {
      await sent;
      queue.settle(entry);
    } catch (error) {
      labelledHere--;
      if (error instanceof ApiError && error.code === 'candidate-gone') {
        toasts.warn(t('Part {part}: {problem}', { part: entry.part.partId, problem: error.text }));
        queue.settle(entry);
      } else {
        queue.bringBack(entry, errorText(error));
        toasts.error(error);
      }
    }
    draw();
  };
  /** @param {AnswerEvent} answer */
  const answered = ({ resultId, label: given, by, isOwn }) => {
    if (isOwn) return;
    const gone = queue.answeredElsewhere(resultId);
    if (!gone) return;
    const values = { part: gone.part.partId, name: by === user.name ? t('somebody else') : by };
    toasts.warn(
      given === null
        ? t('Part {part} was skipped by {name}.', values)
        : t('Part {part} was labelled {label} by {name}.', { ...values, label: given }),
    );
  };
  const skip = () => {
    const entry = queue.current;
    if (!entry || !connection.isUp) return;
    // The agent did not offer a correction, so there is nothing to skip there.
    if (!entry.isCorrection) changes.skip(entry);
    queue.take(entry);
    announce(`${t('Skipped.')} ${queue.current ? nextText(queue.current) : ''}`);
  };
  const buttons = createLabelButtons({ onPick: label });
  byId('label-buttons').append(buttons.element);
  byId('tally').after(explanation(terms.model(), terms.uncertain(), terms.unfamiliar()));
  skipButton.addEventListener('click', skip);
  /** Of the part on the screen, the marks come first. */
  const undo = () => (layer.canUndo ? layer.undo() : void changes.undo());
  undoButton.addEventListener('click', undo);

  changes.subscribe({
    changed: () => draw(),
    restored(entry, what) {
      if (what === 'label') labelledHere--;
      queue.bringBack(entry);
      announce(t('Undone: {part} is shown again.', { part: entry.part.partId }));
    },
    removed(entry) {
      labelledHere++;
      queue.drop(entry);
    },
  });

  const switchMode = async () => {
    const mode = overview.value?.calibrating ? 'inspection' : 'calibration';
    modeSwitch.disabled = true;
    try {
      await post('api/v1/mode', { mode });
    } catch (error) {
      toasts.error(error);
    }
    modeSwitch.disabled = false;
    await overview.refresh();
  };
  modeSwitch.addEventListener('click', switchMode);

  /** @type {string | undefined} */
  let textKey;
  /** Drawn once per key: a button in the text must not be replaced while it is pressed. @param {string} key @param {() => Child[]} content */
  const showText = (key, content) => {
    if (textKey === key) return;
    textKey = key;
    box.showText(...content());
  };
  const drawImage = () => {
    const entry = queue.current;
    if (entry?.image) {
      const { resultId, partId } = entry.part;
      textKey = undefined;
      if (box.image !== entry.image) {
        const { naturalWidth: width, naturalHeight: height } = entry.image;
        layer.show({ width, height }, entry.marks);
      }
      layer.enable(user.canChange && connection.isUp);
      box.show(
        entry.image,
        t('Part {part}', { part: partId }),
        `api/v1/results/${resultId}/why.png`,
        resultId,
      );
    } else if (entry) {
      const text = connection.isUp
        ? t('Loading the image …')
        : t('No connection: the image is loaded later.');
      showText(text, () => [h('p', {}, text)]);
    } else {
      const { calibrating, heldByOthers } = overview.value ?? {};
      showText(`empty ${calibrating} ${heldByOthers}`, () => emptyContent(overview.value, switchMode));
    }
    buttons.disable(!entry?.image || !connection.isUp);
    skipButton.disabled = !entry || !connection.isUp;
  };
  const drawText = () => {
    const { part, problem, isCorrection } = queue.current ?? {};
    const card = byId('said');
    card.hidden = !part;
    card.dataset.verdict = part?.verdict ?? 'none';
    setText(byId('look-facts'), part ? factsOf(part) : '');
    const count = queue.current?.image ? layer.marks.length : 0;
    byId('look-marks').classList.toggle('has-marks', count > 0);
    setText(byId('look-marks'), user.canChange && queue.current?.image ? marksText(count) : '');
    setText(byId('said-head'), part ? predictionText(part) : '');
    const why = isCorrection
      ? t('You opened this part to fix its label: choose the correct one.')
      : capital(fromAgent(part?.why ?? ''));
    setText(
      byId('said-why'),
      problem === undefined ? why : t('Not saved: {problem}. Label it again.', { problem }),
    );
    card.classList.toggle('is-problem', problem !== undefined);
  };
  const drawCounts = () => {
    const { waiting = 0, frames = 0 } = overview.value ?? {};
    const left = Math.max(waiting, queue.size);
    setText(
      byId('tally'),
      listed(
        t('You labelled {n} since you opened this page', { n: labelledHere }),
        t('{n} to label', { n: left }),
        t('{n} labelled in total', { n: frames }),
      ),
    );
    const { text, canUndo } = changes.undoable;
    setText(byId('undo-text'), layer.canUndo ? t('last mark') : text);
    undoButton.disabled = !layer.canUndo && !canUndo;
  };
  function draw() {
    drawImage();
    drawText();
    drawCounts();
  }
  /** @param {Overview} value */
  const drawMode = ({ calibrating }) => {
    modeSwitch.disabled = false;
    modeSwitch.setAttribute('aria-checked', String(calibrating));
    setText(
      byId('mode-text'),
      calibrating
        ? t('On: parts that are worth labelling are collected. Inspection continues.')
        : t('Off: no parts are collected for labelling.'),
    );
  };

  overview.subscribe((value) => {
    buttons.show(value.labels);
    drawMode(value);
    draw();
    // Parts are reserved only while this tab is on the screen; otherwise other browsers may have them.
    if (element.hidden || document.hidden) return;
    void queue.fill(value.waiting);
    void wanted.load();
  });
  connection.onChange(() => draw());
  draw();

  return {
    element,
    title: t('Label'),
    answered,
    /** @param {string} resultId an earlier part to correct, from a link */
    async show(resultId) {
      if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(resultId)) return;
      history.replaceState(undefined, '', '#label');
      /** @type {Result | undefined} */
      const past = await get(`api/v1/evidence/${resultId}.json`).catch(() => undefined);
      queue.correct(resultId, past && { ...past, label: labelOf(past), why: '' });
    },
    /** @param {KeyboardEvent} event */
    onKey(event) {
      if (event.ctrlKey) return false;
      if (box.image && layer.onKey(event)) return true;
      const name = buttons.labelOf(event);
      // A key that is held down labels one part only.
      if (name !== undefined) {
        if (!event.repeat) void label(name);
        return true;
      }
      const key = event.key.toLowerCase();
      if (key === 'n') buttons.focusField();
      else if (key === 'f') buttons.focusSearch();
      else if (key === 'w') void box.toggleHeatMap();
      else if (event.repeat) return false;
      else if (key === 's' || key === ' ') skip();
      else if (key === 'z' || key === 'backspace') undo();
      else return false;
      return true;
    },
  };
}

/** @param {number} count */
const marksText = (count) =>
  count === 0
    ? t('Optional: tap the defect, or drag a box around it.')
    : tn('{n} mark. Tap a mark to remove it.', '{n} marks. Tap a mark to remove it.', count);

/** @param {Part} part */
function predictionText({ verdict, label, probability }) {
  if (!verdict) return '';
  if (label === null) return t('No model has been trained yet.');
  const { symbol } = verdictWords[verdict];
  const shown = label ?? t('no label');
  return typeof probability === 'number'
    ? t('{symbol} Prediction: {label} ({share})', { symbol, label: shown, share: percentOf(probability, 0) })
    : t('{symbol} Prediction: {label}', { symbol, label: shown });
}

/** @param {CandidateEntry} entry */
const nextText = ({ part: { partId, label } }) =>
  label
    ? t('Next: {part}, prediction: {label}.', { part: partId, label })
    : t('Next: {part}.', { part: partId });

/** @param {Part} part */
const factsOf = ({ camera, partId, capturedAt }) =>
  listed(camera, partId, capturedAt && ageOf(Date.now() - Date.parse(capturedAt)));

/** What the user can do while there is no part to label. @param {Overview | undefined} value @param {() => void} switchMode @returns {Child[]} */
function emptyContent(value, switchMode) {
  if (!value) return [h('p', {}, t('Loading …'))];
  if (value.heldByOthers > 0) {
    return [
      h('h2', {}, t('Others are labelling')),
      h(
        'p',
        {},
        t('All parts that need a label ({n}) are open in other browsers. The next one appears here.', {
          n: value.heldByOthers,
        }),
      ),
    ];
  }
  if (value.calibrating) {
    return [
      h('h2', {}, t('Waiting for parts')),
      h('p', {}, t('No part needs a label now. The next one appears here.')),
    ];
  }
  return [
    h('h2', {}, t('No parts to label')),
    h('p', {}, t('Switch calibration on to collect parts while the line runs.')),
    h(
      'button',
      { class: 'button is-primary', type: 'button', data: { needs: 'operator' }, onclick: switchMode },
      t('Switch calibration on'),
    ),
  ];
}
