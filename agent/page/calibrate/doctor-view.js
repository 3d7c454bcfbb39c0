/** What is wrong with the labelled frames; likely mistakes are repaired one key each. */
import { ApiError, fetchPicture, framePicture, frameThumb, frameWhy, get } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { openFrameViewer } from './frame-viewer.js';
import { createPictureBox } from './image-box.js';
import { counted } from './rates.js';

/** Thousands of pictures are looked at by the head. */
const patienceMs = 15 * 60_000;
const thumbs = 12;
const severities = {
  error: { symbol: '✕', title: 'In the way of training' },
  warning: { symbol: '▲', title: 'Makes the head poorer' },
  hint: { symbol: '●', title: 'Worth a look' },
};

/** @param {{store: object, changes: object, toasts: object, say: (text: string) => void}} tools */
export function createDoctorView({ store, changes, toasts, say }) {
  const element = byId('view-doctor');
  let findings = [];
  let repairs = [];
  let repaired = 0;
  /** What somebody looked at and kept: not asked again until the page is loaded anew. */
  const kept = new Set();
  /** What was answered since the examination, newest last. */
  let answered = [];
  let isExamining = false;
  let examined;

  const examine = async () => {
    if (isExamining) return;
    isExamining = true;
    drawHead();
    const revision = store.value?.revision;
    try {
      const found = await get('api/v1/dataset/doctor', patienceMs);
      findings = found.filter((one) => one.suggestion === undefined);
      repairs = found.filter((one) => one.suggestion !== undefined && !kept.has(keyOf(one)));
      repaired = 0;
      answered = [];
      examined = revision ?? '';
    } catch (error) {
      toasts.error(error);
    }
    isExamining = false;
    draw();
    byId('doctor-findings').replaceChildren(...drawnFindings());
  };

  const drawHead = () => {
    byId('doctor-again').disabled = isExamining;
    byId('doctor-undo').disabled = answered.length === 0;
    byId('doctor-progress').hidden = !isExamining;
    const frames = counted(store.value?.frames ?? 0, 'frame');
    setText(byId('doctor-words'), headWords(frames));
  };
  const headWords = (frames) => {
    if (isExamining) return `Looking at ${frames}: the head judges each one. This may take some seconds …`;
    if (examined === undefined) return 'Nothing has been examined yet.';
    const open = findings.length + repairs.length;
    const done = repaired > 0 ? `${counted(repaired, 'label')} repaired. ` : '';
    if (open === 0) return `${done}Nothing is wrong with the ${frames}. You can train.`;
    return `${done}${counted(open, 'finding')} in ${frames}.`;
  };

  const draw = () => {
    drawHead();
    drawRepair();
  };
  const takeBack = ({ finding, isWrong }) => {
    if (isWrong) repaired--;
    kept.delete(keyOf(finding));
    repairs = [finding, ...repairs];
    draw();
  };
  const answer = (finding, isWrong) => {
    repairs = repairs.filter((one) => one !== finding);
    const given = { finding, isWrong };
    answered.push(given);
    if (isWrong) {
      repaired++;
      say(`Now ${finding.suggestion}.`);
      changes.relabel(finding.frames, finding.suggestion).catch((error) => {
        toasts.error(error);
        if (!answered.includes(given)) return;
        answered = answered.filter((one) => one !== given);
        takeBack(given);
      });
    } else {
      kept.add(keyOf(finding));
      say('Kept.');
    }
    draw();
  };
  const undo = () => {
    const last = answered.pop();
    // What was kept has changed nothing at the agent.
    if (!last || last.isWrong) void changes.undo();
    if (last) takeBack(last);
  };
  let card;
  const drawRepair = () => {
    const [finding] = repairs;
    if (card && card.finding === finding) return;
    card = finding && repairCard(finding, repairs.length, answer);
    byId('doctor-repair').replaceChildren(...(card ? [card.element] : []));
    // The one after it is at hand when it is wanted.
    if (repairs[1]) void fetchPicture(framePicture(repairs[1].frames[0])).catch(() => undefined);
  };

  const drawnFindings = () =>
    Object.entries(severities).flatMap(([severity, { symbol, title }]) => {
      const ones = findings.filter((one) => one.severity === severity);
      if (ones.length === 0) return [];
      return [
        h('h2', { class: 'finding-title', data: { severity } }, `${symbol} ${title}`),
        h('ul', { class: 'findings' }, ...ones.map((one) => drawnFinding(one, store))),
      ];
    });

  byId('doctor-again').addEventListener('click', examine);
  byId('doctor-undo').addEventListener('click', undo);
  return {
    element,
    title: 'Doctor',
    show() {
      // Not again for labels that have been looked at already.
      if (examined === undefined || examined !== store.value?.revision) void examine();
    },
    onKey(event) {
      const key = event.key.toLowerCase();
      if (event.ctrlKey || event.repeat) return false;
      if (key === 'z' || key === 'backspace') undo();
      else if (!card) return false;
      else if (key === 'enter') card.yes();
      else if (key === 'k') card.no();
      else if (key === 'w') card.why();
      else return false;
      return true;
    },
  };
}

const keyOf = ({ kind, frames, suggestion }) => `${kind} ${frames.join(' ')} ${suggestion}`;

function repairCard(finding, left, answer) {
  const { text, remedy, frames, suggestion, beside } = finding;
  const frame = h('div', { class: 'look-frame' });
  const why = h(
    'button',
    { class: 'button', type: 'button', 'aria-pressed': 'false' },
    h('kbd', {}, 'W'),
    ' Show why',
  );
  const box = createPictureBox(frame, why);
  why.addEventListener('click', box.toggleWhy);
  box.say(h('p', {}, 'The picture is on its way …'));
  fetchPicture(framePicture(frames[0])).then(
    (image) => box.show(image, text, frameWhy(frames[0])),
    (error) => box.say(h('p', {}, error instanceof ApiError ? error.words : String(error))),
  );
  // What has not been seen is not judged.
  const yes = () => box.image && answer(finding, true);
  const no = () => box.image && answer(finding, false);
  const element = h(
    'section',
    { class: 'panel repair', 'aria-label': 'Likely mistake' },
    frame,
    h(
      'div',
      { class: 'repair-side' },
      h('p', { class: 'hint' }, left === 1 ? 'The last likely mistake' : `${left} likely mistakes left`),
      h('h2', {}, `Is this ${suggestion}?`),
      h('p', {}, text),
      h('p', { class: 'hint' }, remedy),
      h(
        'button',
        { class: 'button is-primary is-big', type: 'button', onclick: yes },
        h('kbd', {}, 'Enter'),
        ` It is ${suggestion}`,
      ),
      h(
        'button',
        { class: 'button is-big', type: 'button', onclick: no },
        h('kbd', {}, 'K'),
        ' Keep its label',
      ),
      why,
      beside &&
        h(
          'figure',
          { class: 'repair-beside' },
          h('img', { src: frameThumb(beside), alt: '', width: 160, height: 120 }),
          h('figcaption', {}, `The likest part that is labelled ${suggestion}`),
        ),
    ),
  );
  return { finding, element, yes, no, why: box.toggleWhy };
}

function drawnFinding({ severity, text, remedy, frames }, store) {
  const open = (index) =>
    openFrameViewer(
      frames.map((id) => ({ id, words: text })),
      index,
      { labels: store.value?.labels ?? [] },
    );
  return h(
    'li',
    { class: 'finding', data: { severity } },
    h('p', { class: 'finding-text' }, h('strong', {}, text)),
    h('p', { class: 'finding-remedy' }, `→ ${remedy}`),
    frames.length > 0 &&
      h(
        'div',
        { class: 'finding-frames' },
        ...frames.slice(0, thumbs).map((id, index) =>
          h(
            'button',
            {
              class: 'mini',
              type: 'button',
              'aria-label': `Look at frame ${id.slice(0, 12)}`,
              onclick: () => open(index),
            },
            h('img', { src: frameThumb(id), alt: '', loading: 'lazy', width: 88, height: 72 }),
          ),
        ),
        frames.length > thumbs && h('span', { class: 'hint' }, `and ${frames.length - thumbs} more`),
      ),
  );
}
