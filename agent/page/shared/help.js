/** What the help of each page says: its purpose, its keys, the terms on it and its pages of the manual. */
import { h } from './dom.js';
import { t } from './language.js';

/**
 * @typedef {object} Help
 * @property {string} purpose
 * @property {[names: string[], text: string][]} keys
 * @property {[name: string, title: string][]} docs pages of the manual, by file name without `.md`
 * @property {[term: string, text: string][]} terms
 */

/** Terms that appear on several pages. */
export const terms = {
  /** @returns {[string, string]} */
  model: () => [
    t('Model'),
    t(
      'What your station has learned from its labelled parts. It gives each label a probability. Each training makes a new version; one version is active.',
    ),
  ],
  /** @returns {[string, string]} */
  threshold: () => [
    t('Threshold'),
    t(
      'The probability that a label must reach. Above the threshold of good, a part passes; above the threshold of a defect, it fails.',
    ),
  ],
  /** @returns {[string, string]} */
  uncertain: () => [
    t('Uncertain'),
    t('No label reaches its threshold, so a person must decide. An uncertain part never counts as good.'),
  ],
  /** @returns {[string, string]} */
  unfamiliar: () => [
    t('Unfamiliar'),
    t(
      'The part looks unlike all labelled parts, so its probabilities mean little. It is uncertain, whatever they are.',
    ),
  ],
  /** @returns {[string, string]} */
  candidate: () => [
    t('Candidate'),
    t('A newly trained version. The line does not use it until you promote it.'),
  ],
  /** @returns {[string, string]} */
  base: () => [
    t('Base'),
    t('The pre-trained network that turns an image into features. All models build on it.'),
  ],
};

/** @type {Record<string, () => Help>} */
const pages = {
  index: () => ({
    purpose: t('This page shows what the cameras see, the verdict on the newest part, and the counts.'),
    keys: [],
    docs: [
      ['evidence', t('Evidence and the place of a defect')],
      ['challenge', t('Challenge test')],
      ['monitoring', t('Monitoring and what to do if something fails')],
    ],
    terms: [terms.model(), terms.threshold(), terms.uncertain(), terms.unfamiliar()],
  }),
  calibrate: () => ({
    purpose: t(
      'On this page you label parts, check the labels, train a model, and promote it or roll back. The line keeps running meanwhile.',
    ),
    keys: [
      [['1', '…', '9'], t('Label: give the part this label')],
      [['N'], t('Label: type a new label')],
      [['F'], t('Label: find a label')],
      [['S'], t('Label: skip the part')],
      [['Z'], t('undo the last change')],
      [['W'], t('show why the model predicts this label')],
      [['←', '↑', '↓', '→', 'Enter'], t('Label: move a cursor on the image and mark a defect')],
      [['R'], t('Gallery: relabel the selected frames')],
      [['Del'], t('Gallery: delete the selected frames')],
      [['Ctrl', 'A'], t('Gallery: select all')],
      [['Enter'], t('Check labels: accept the suggested label')],
      [['K'], t('Check labels: keep the label')],
    ],
    docs: [
      ['calibration', t('Calibration')],
      ['training', t('Training and reports')],
      ['dataset', t('Labels and dataset')],
      ['bases', t('Bases')],
    ],
    terms: Object.values(terms).map((term) => term()),
  }),
  aim: () => ({
    purpose: t(
      'This page shows the live image of a camera, so that you can aim it, focus it, and set its region and the thresholds of part detection.',
    ),
    keys: [
      [['←', '↑', '↓', '→'], t('move the region')],
      [['Shift', '←'], t('move the region in large steps')],
    ],
    docs: [['cameras', t('Cameras')]],
    terms: [],
  }),
  line: () => ({
    purpose: t(
      'This page shows how the shift is going: counts and defect rate with control limits, the most frequent defects, what was changed, and downtimes.',
    ),
    keys: [],
    docs: [
      ['line', t('Shifts, defect rates, changes and downtime')],
      ['monitoring', t('Monitoring and what to do if something fails')],
    ],
    terms: [terms.uncertain()],
  }),
  andon: () => ({
    purpose: t('This page shows the state of the line in large type, for a screen above the line.'),
    keys: [],
    docs: [['line', t('Shifts, defect rates, changes and downtime')]],
    terms: [],
  }),
  setup: () => ({
    purpose: t(
      'This page guides you through the set-up of a station: camera, image, region, trigger, labels and broker. You can return to each step later.',
    ),
    keys: [],
    docs: [
      ['setup', t('Set-up and settings')],
      ['cameras', t('Cameras')],
    ],
    terms: [],
  }),
  evidence: () => ({
    purpose: t(
      'This page shows stored images of earlier parts. Filter them, open one, and fix its label if it is wrong.',
    ),
    keys: [],
    docs: [['evidence', t('Evidence and the place of a defect')]],
    terms: [terms.uncertain(), terms.unfamiliar()],
  }),
  login: () => ({
    purpose: t('Log in with the token that the person in charge of this station gave you.'),
    keys: [[['Enter'], t('log in')]],
    // The manual is behind the log-in.
    docs: [],
    terms: [],
  }),
};

/** @param {string} page its file name without `.html` @returns {Help} */
export const helpOf = (page) => pages[page]?.() ?? { purpose: '', keys: [], docs: [], terms: [] };

/** An explanation of terms in place. @param {...[term: string, text: string]} shown */
export const explanation = (...shown) =>
  h(
    'details',
    { class: 'explain' },
    h('summary', {}, t('What do these words mean?')),
    h(
      'dl',
      { class: 'help-terms' },
      ...shown.map(([term, text]) => h('div', {}, h('dt', {}, term), h('dd', {}, text))),
    ),
  );
