/** The guide for the set-up: one step after the other, each of which can be skipped and returned to. */
import { ApiError, errorText, get } from '../shared/api-client.js';
import { byId, find, setText } from '../shared/dom.js';
import { t } from '../shared/language.js';
import { showUser } from '../shared/user.js';
import { createBrokerStep } from './broker-step.js';
import { createCameraStep } from './camera-step.js';
import { createFinishStep } from './finish-step.js';
import { createImageStep } from './image-step.js';
import { createLabelsStep } from './labels-step.js';
import { createRegionStep } from './region-step.js';
import { Station } from './station.js';
import { createTriggerStep } from './trigger-step.js';

/** @import { SetupView } from '../../http/setup-tools.ts' */

/**
 * @typedef {object} StepDeps
 * @property {Station} station
 * @property {SetupView['mode']} mode
 * @property {(error: unknown) => void} report shows what went wrong
 */

/**
 * @typedef {object} Step
 * @property {string} id
 * @property {() => boolean} isDone
 * @property {() => void} show
 * @property {() => Promise<void>} save
 * @property {() => string} [nextText]
 */

const station = new Station();
const next = byId('next', HTMLButtonElement);
/** @type {Step[]} */
let steps = [];

/** @param {unknown} error nothing clears the message */
function report(error) {
  byId('problem').hidden = error === '';
  setText(byId('problem'), error === '' ? '' : errorText(error));
}

const currentStep = () => steps.find(({ id }) => `#${id}` === location.hash) ?? steps[0];

function show() {
  const current = currentStep();
  if (!current) return;
  report('');
  for (const { id, isDone } of steps) {
    byId(id).hidden = id !== current.id;
    const link = document.querySelector(`[data-step=${id}]`);
    link?.toggleAttribute('data-done', isDone());
    if (id === current.id) link?.setAttribute('aria-current', 'step');
    else link?.removeAttribute('aria-current');
  }
  current.show();
  for (const link of document.querySelectorAll('a[data-aim]')) {
    link.setAttribute('href', `aim.html#${encodeURIComponent(station.camera)}`);
  }
  const isLast = current === steps.at(-1);
  byId('skip').hidden = isLast;
  byId('back').hidden = current === steps[0];
  setText(next, current.nextText?.() ?? t('Save and continue'));
  // A reader hears the new step.
  const heading = byId(current.id).querySelector('h2');
  heading?.setAttribute('tabindex', '-1');
  if (heading instanceof HTMLElement) heading.focus({ preventScroll: true });
}

/** @param {number} by */
function move(by) {
  const current = currentStep();
  const target = steps[(current ? steps.indexOf(current) : 0) + by];
  if (target) location.hash = target.id;
}

async function save() {
  const current = currentStep();
  if (!current || next.disabled) return;
  next.disabled = true;
  report('');
  try {
    await current.save();
    if (current === steps.at(-1)) show();
    else move(1);
  } catch (error) {
    // The settings may have changed elsewhere: the next attempt is based on them.
    await station.load().catch(() => undefined);
    report(error);
  }
  next.disabled = false;
}

async function open() {
  await showUser();
  /** @type {SetupView} */
  const { mode, file } = await get('api/v1/setup');
  await station.load();
  byId('to-line').hidden = mode === 'first';
  for (const one of document.querySelectorAll('[data-running]'))
    one.toggleAttribute('hidden', mode === 'first');
  setText(byId('file'), file.split('/').at(-1) ?? '');
  const deps = { station, mode, report };
  steps = [
    createCameraStep(deps),
    createImageStep(deps),
    createRegionStep(deps),
    createTriggerStep(deps),
    createLabelsStep(deps),
    createBrokerStep(deps),
    createFinishStep(deps),
  ];
  for (const { id } of steps) {
    byId(id).addEventListener('submit', (event) => {
      event.preventDefault();
      void save();
    });
  }
  next.addEventListener('click', () => void save());
  byId('skip').addEventListener('click', () => move(1));
  byId('back').addEventListener('click', () => move(-1));
  addEventListener('hashchange', show);
  show();
}

/** Without a configuration file there is nothing to change, as in the demo. */
function showWithout() {
  find(document, 'main').hidden = true;
  byId('to-line').hidden = false;
  byId('problem').hidden = false;
  setText(
    byId('problem'),
    t(
      'This agent runs without a configuration file of its own, as in the demo, so its settings cannot be changed here. To set up a station, run: qc-agent setup',
    ),
  );
}

open().catch((error) => {
  if (error instanceof ApiError && error.code === 'http-not-found') showWithout();
  else report(error);
});
