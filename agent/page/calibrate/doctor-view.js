/** The Check tab: problems of the labelled frames. A likely mistake is repaired with one key. */
import {
  errorText,
  fetchImage,
  frameHeatMapPath,
  frameImagePath,
  frameThumbnailPath,
  get,
} from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { fromAgent, t, tn } from '../shared/language.js';
import { frameChanges } from './frame-changes.js';
import { openFrameViewer } from './frame-viewer.js';
import { createImageBox, heatMapButton } from './image-box.js';

/** @import { Finding } from '../../../calibration/finding.ts' */
/** @import { FrameChanges } from './frame-changes.js' */
/** @import { OverviewStore } from './overview.js' */
/** @import { Tools } from './tools.js' */

/** @typedef {Finding & {suggestion: string}} Repair a likely mistake */

/** The agent judges thousands of images for the check. */
const timeoutMs = 15 * 60_000;
const maxThumbnails = 12;
/** @type {[Finding['severity'], string][]} */
const severities = [
  ['error', t('✕ Training is not possible')],
  ['warning', t('▲ The model will be worse')],
  ['hint', t('● Please check')],
];
/** What to do on this page, for findings whose remedy names a command or a setting. @type {Record<string, string>} */
const remedies = {
  'no-frames': t('label parts in the Label tab'),
  'no-good': t('label good parts, or ask an engineer to configure which labels are good'),
  'marks-on-good': t(
    'open an image below; choose the label of the defect, or press “Mark defects” and remove the marks',
  ),
  'mark-outside': t('open an image below, press “Mark defects”, remove the mark and tap the defect'),
  'marks-of-another-label': t('open an image below and check its label'),
  unmarked: t(
    'open an image below, press “Mark defects” and tap the defect: small defects are found better then',
  ),
  'label-spelling': t(
    'choose the label in the Gallery tab and press “Edit label …”, or keep it if it is intended',
  ),
};

/** @param {Tools} tools */
export function createDoctorView({ overview, changes, toasts, announce }) {
  const element = byId('view-doctor');
  const checkButton = byId('doctor-check', HTMLButtonElement);
  const undoButton = byId('doctor-undo', HTMLButtonElement);
  /** @type {Finding[]} */
  let findings = [];
  /** @type {Repair[]} */
  let repairs = [];
  let repaired = 0;
  /** Labels that the user confirmed: they are not asked for again until the page is loaded again. @type {Set<string>} */
  const confirmed = new Set();
  /** Answers since the last check, newest last. @type {{finding: Repair, isWrong: boolean}[]} */
  let answers = [];
  let isChecking = false;
  /** Revision of the dataset that was checked. @type {string | undefined} */
  let checkedRevision;

  const check = async () => {
    if (isChecking) return;
    isChecking = true;
    drawHead();
    const revision = overview.value?.revision;
    try {
      /** @type {Finding[]} */
      const found = await get('api/v1/dataset/doctor', timeoutMs);
      findings = found.filter((one) => one.suggestion === undefined);
      repairs = found.filter(isRepair).filter((one) => !confirmed.has(keyOf(one)));
      repaired = 0;
      answers = [];
      checkedRevision = revision ?? '';
    } catch (error) {
      toasts.error(error);
    }
    isChecking = false;
    draw();
    byId('doctor-findings').replaceChildren(...findingLists());
  };

  const drawHead = () => {
    checkButton.disabled = isChecking;
    undoButton.disabled = answers.length === 0;
    byId('doctor-progress').hidden = !isChecking;
    setText(byId('doctor-text'), headText(overview.value?.frames ?? 0));
  };
  /** @param {number} frames */
  const headText = (frames) => {
    if (isChecking) {
      return tn(
        'Checking {n} frame. This may take some seconds …',
        'Checking {n} frames. This may take some seconds …',
        frames,
      );
    }
    if (checkedRevision === undefined) return t('The labels have not been checked yet.');
    const open = findings.length + repairs.length;
    const done = repaired > 0 ? tn('{n} label repaired.', '{n} labels repaired.', repaired) : '';
    const found =
      open === 0
        ? tn(
            'No problems found in {n} frame. You can train.',
            'No problems found in {n} frames. You can train.',
            frames,
          )
        : tn('{n} problem in {frames} frames.', '{n} problems in {frames} frames.', open, { frames });
    return `${done} ${found}`.trim();
  };

  const draw = () => {
    drawHead();
    drawRepair();
  };
  /** @param {{finding: Repair, isWrong: boolean}} answer */
  const takeBack = ({ finding, isWrong }) => {
    if (isWrong) repaired--;
    confirmed.delete(keyOf(finding));
    repairs = [finding, ...repairs];
    draw();
  };
  /** @param {Repair} finding @param {boolean} isWrong */
  const answer = (finding, isWrong) => {
    repairs = repairs.filter((one) => one !== finding);
    const given = { finding, isWrong };
    answers.push(given);
    if (isWrong) {
      repaired++;
      announce(t('Now labelled {label}.', { label: finding.suggestion }));
      changes.relabel(finding.frames, finding.suggestion).catch((error) => {
        toasts.error(error);
        if (!answers.includes(given)) return;
        answers = answers.filter((one) => one !== given);
        takeBack(given);
      });
    } else {
      confirmed.add(keyOf(finding));
      announce(t('Label kept.'));
    }
    draw();
  };
  const undo = () => {
    const last = answers.pop();
    // A label that was kept changed nothing at the agent.
    if (!last || last.isWrong) void changes.undo();
    if (last) takeBack(last);
  };
  /** @type {ReturnType<typeof repairCard> | undefined} */
  let card;
  const drawRepair = () => {
    const [finding, next] = repairs;
    if (card && card.finding === finding) return;
    card = finding && repairCard(finding, repairs.length, answer);
    byId('doctor-repair').replaceChildren(...(card ? [card.element] : []));
    // Loads the next image in advance, into the cache of the browser.
    if (next?.frames[0]) void fetchImage(frameImagePath(next.frames[0])).catch(() => undefined);
  };

  const findingLists = () =>
    severities.flatMap(([severity, title]) => {
      const ones = findings.filter((one) => one.severity === severity);
      if (ones.length === 0) return [];
      return [
        h('h2', { class: 'finding-title', data: { severity } }, title),
        h(
          'ul',
          { class: 'findings' },
          ...ones.map((one) => findingItem(one, overview, frameChanges({ changes, toasts, announce }))),
        ),
      ];
    });

  checkButton.addEventListener('click', check);
  undoButton.addEventListener('click', undo);
  return {
    element,
    title: t('Check labels'),
    show() {
      drawHead();
      // Labels that were checked already are not checked again.
      if (checkedRevision === undefined || checkedRevision !== overview.value?.revision) void check();
    },
    /** @param {KeyboardEvent} event */
    onKey(event) {
      const key = event.key.toLowerCase();
      if (event.ctrlKey || event.repeat) return false;
      if (key === 'z' || key === 'backspace') undo();
      else if (!card) return false;
      else if (key === 'enter') card.relabel();
      else if (key === 'k') card.keep();
      else if (key === 'w') void card.toggleHeatMap();
      else return false;
      return true;
    },
  };
}

/** @param {Finding} finding @returns {finding is Repair} */
const isRepair = (finding) => finding.suggestion !== undefined && finding.frames.length > 0;

/** @param {Repair} finding */
const keyOf = ({ kind, frames, suggestion }) => `${kind} ${frames.join(' ')} ${suggestion}`;

/** @param {Repair} finding @param {number} left @param {(finding: Repair, isWrong: boolean) => void} answer */
function repairCard(finding, left, answer) {
  const { text, frames, suggestion, beside } = finding;
  const id = frames[0] ?? '';
  const frame = h('div', { class: 'look-frame on-image' });
  const why = heatMapButton();
  const box = createImageBox(frame, why);
  box.showText(h('p', {}, t('Loading the image …')));
  fetchImage(frameImagePath(id)).then(
    (image) => box.show(image, fromAgent(text), frameHeatMapPath(id)),
    (error) => box.showText(h('p', {}, errorText(error))),
  );
  // An answer counts only while the image is shown.
  const relabel = () => box.image && answer(finding, true);
  const keep = () => box.image && answer(finding, false);
  const element = h(
    'section',
    { class: 'panel repair', 'aria-label': t('Likely mistake') },
    frame,
    h(
      'div',
      { class: 'repair-side' },
      h(
        'p',
        { class: 'hint' },
        left === 1
          ? t('The last likely mistake')
          : tn('{n} likely mistake left', '{n} likely mistakes left', left),
      ),
      h('h2', {}, t('Is this {label}?', { label: suggestion })),
      h('p', { class: 'hint' }, fromAgent(text)),
      h(
        'button',
        { class: 'button is-primary is-big', type: 'button', onclick: relabel },
        h('kbd', { 'aria-hidden': 'true' }, 'Enter'),
        ` ${t('Yes, label it {label}', { label: suggestion })}`,
      ),
      h(
        'button',
        { class: 'button is-big', type: 'button', onclick: keep },
        h('kbd', { 'aria-hidden': 'true' }, 'K'),
        ` ${t('No, keep its label')}`,
      ),
      why,
      beside &&
        h(
          'figure',
          { class: 'repair-beside' },
          h('img', { src: frameThumbnailPath(beside), alt: '', width: 160, height: 120 }),
          h('figcaption', {}, t('The most similar part that is labelled {label}', { label: suggestion })),
        ),
    ),
  );
  return { finding, element, relabel, keep, toggleHeatMap: box.toggleHeatMap };
}

/** @param {Finding} finding @param {OverviewStore} overview @param {FrameChanges} frameChanges */
function findingItem({ kind, text, severity, remedy, frames }, overview, frameChanges) {
  /** @param {number} index */
  const open = (index) =>
    openFrameViewer(
      frames.map((id) => ({ id, text: fromAgent(text) })),
      index,
      { labels: overview.value?.labels ?? [], ...frameChanges },
    );
  return h(
    'li',
    { class: 'finding', data: { severity } },
    h('p', { class: 'finding-text' }, h('strong', {}, fromAgent(text))),
    h('p', { class: 'finding-remedy' }, `→ ${remedies[kind] ?? fromAgent(remedy)}`),
    frames.length > 0 &&
      h(
        'div',
        { class: 'finding-frames' },
        ...frames.slice(0, maxThumbnails).map((id, index) =>
          h(
            'button',
            {
              class: 'mini',
              type: 'button',
              'aria-label': t('Open frame {id}', { id: id.slice(0, 12) }),
              onclick: () => open(index),
            },
            h('img', { src: frameThumbnailPath(id), alt: '', loading: 'lazy', width: 88, height: 72 }),
          ),
        ),
        frames.length > maxThumbnails &&
          h('span', { class: 'hint' }, t('and {n} more', { n: frames.length - maxThumbnails })),
      ),
  );
}
