/** The page for aiming a camera: chooses the camera, follows its stream, and passes each record to the parts of the page. */
import { get } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { numberOf, percentOf } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';
import { showUser } from '../shared/user.js';
import { followAim } from './aim-stream.js';
import { drawMask } from './mask.js';
import { createFocusMeter, showExposure } from './meters.js';
import { createPresenceChart } from './presence-chart.js';
import { createRegionBox, place } from './region-box.js';
import { createSettingsForm } from './settings-form.js';

/** @import { AimImageRecord, AimLookRecord, AimRecord, AimStateRecord } from '../../http/aim-view.ts' */
/** @import { CameraWithCounts } from '../../http/views.ts' */

/** An older image is marked as old, ms. */
const oldMs = 2_000;
const drawMs = 250;
const askMs = 1_000;

const frame = byId('frame');
const canvas = byId('image', HTMLCanvasElement);
const mask = byId('mask', HTMLCanvasElement);
const cameras = byId('camera', HTMLSelectElement);
const showMask = byId('show-mask', HTMLInputElement);
const chart = createPresenceChart(byId('chart'));
const focus = createFocusMeter();
const box = createRegionBox(frame, (region) => form.changeRegion(region));
const form = createSettingsForm({ onRegion: (region) => box.show(region) });

/** @type {AimStateRecord | undefined} */
let state;
/** @type {AimLookRecord | undefined} */
let look;
let connectionProblem = '';
let imageAt = Number.NEGATIVE_INFINITY;
/** Arrival of the last images, ms. @type {number[]} */
let arrivals = [];
let isDecoding = false;
/** Clock of the agent minus clock of this browser, ms. */
let clockOffset = 0;
let camera = '';

/** @param {AimImageRecord} record @param {Blob} jpeg */
async function showImage(record, jpeg) {
  const now = performance.now();
  arrivals = [...arrivals.filter((at) => at > now - 2_000), now];
  focus.show(record);
  showExposure(record);
  // Images that arrive while one is decoded are skipped.
  if (isDecoding) return;
  isDecoding = true;
  const shown = camera;
  try {
    const image = await createImageBitmap(jpeg);
    if (shown !== camera) return;
    if (canvas.width !== image.width || canvas.height !== image.height) {
      canvas.width = image.width;
      canvas.height = image.height;
      frame.style.aspectRatio = `${image.width} / ${image.height}`;
      frame.style.setProperty('--aspect', String(image.width / image.height));
    }
    canvas.getContext('2d')?.drawImage(image, 0, 0);
    image.close();
    imageAt = performance.now();
  } finally {
    isDecoding = false;
  }
}

/** @param {AimLookRecord} record */
function showLook(record) {
  look = record;
  chart.add(record.at, record.share);
  if (state) drawMask(mask, showMask.checked ? record.mask : null, state.region);
}

/** @param {AimStateRecord} record */
function showState(record) {
  state = record;
  clockOffset = record.at - Date.now();
  const { trigger, region, regionSetting } = record;
  const thresholds = trigger === 'presence' && look ? { enter: look.enter, leave: look.leave } : undefined;
  form.showInForce({ camera, region, regionSetting, thresholds });
  place(byId('saved'), region);
  byId('saved').hidden = !form.isRegionChanged;
}

/** @param {AimRecord} record @param {Blob | undefined} jpeg */
function show(record, jpeg) {
  switch (record.kind) {
    case 'image':
      if (jpeg) void showImage(record, jpeg);
      return;
    case 'look':
      showLook(record);
      return;
    case 'part':
      chart.addPart(record.at);
      return;
    default:
      showState(record);
  }
}

/** Why there is no image, in words; empty while images arrive. */
function reasonForNoImage() {
  if (connectionProblem) return connectionProblem;
  if (!state) return t('Waiting for the first image');
  if (!state.up) return t('The camera is down: {reason}', { reason: fromAgent(state.problem) });
  if (performance.now() - imageAt < oldMs) return '';
  return state.problem
    ? t('No new image: {reason}', { reason: fromAgent(state.problem) })
    : t('Waiting for an image of the camera');
}

function signalText() {
  if (!state || !look || state.trigger !== 'presence') return '–';
  switch (look.state) {
    case 'learning':
      return t('Learning the empty region: keep it empty');
    case 'dark':
      return t('The light is off');
    case 'part':
      return t('▲ A part is in view');
    default:
      return t('○ Empty');
  }
}

function signalNote() {
  switch (state?.trigger) {
    case 'continuous':
      return t(
        'This camera takes a part at a fixed interval: it has no presence signal. The marks show when a part was taken.',
      );
    case 'command':
      return t(
        'This camera is triggered by a command: it has no presence signal. The marks show when a part was taken.',
      );
    default:
      return look && !look.confirmed && look.state !== 'learning'
        ? t('The empty region is not confirmed yet: let one part pass.')
        : '';
  }
}

function draw() {
  const reason = reasonForNoImage();
  setText(byId('none'), reason);
  byId('none').hidden = reason === '';
  frame.classList.toggle('is-old', reason !== '');
  const problem = reason === '' && state?.problem ? fromAgent(state.problem) : '';
  setText(byId('banner'), problem);
  byId('banner').hidden = problem === '';
  setText(byId('signal-state'), signalText());
  // Not part of the state: a screen reader would read each value.
  setText(byId('signal-share'), state?.trigger === 'presence' && look ? percentOf(look.share) : '');
  setText(byId('signal-note'), signalNote());
  chart.draw(Date.now() + clockOffset, state?.trigger === 'presence' ? form.thresholds : undefined);
  const first = arrivals[0];
  const last = arrivals.at(-1);
  const isFlowing = reason === '' && first !== undefined && last !== undefined && last > first;
  const rate = isFlowing ? ((arrivals.length - 1) * 1_000) / (last - first) : 0;
  setText(byId('facts'), isFlowing ? t('{rate} images per second', { rate: numberOf(rate) }) : '');
  if (state) byId('saved').hidden = !form.isRegionChanged;
}

/** Asks until the agent answers and has opened its cameras. @returns {Promise<CameraWithCounts[]>} */
async function allCameras() {
  for (;;) {
    const found = await get('api/v1/cameras').catch(() => []);
    if (found.length > 0) return found;
    await new Promise((resolve) => setTimeout(resolve, askMs));
  }
}

/** @type {ReturnType<typeof followAim> | undefined} */
let stream;
/** @param {string} name */
function choose(name) {
  stream?.close();
  camera = name;
  state = undefined;
  look = undefined;
  imageAt = Number.NEGATIVE_INFINITY;
  arrivals = [];
  chart.clear();
  drawMask(mask, null, { x: 0, y: 0, width: 1, height: 1 });
  stream = followAim(`api/v1/cameras/${encodeURIComponent(name)}/aim`, {
    onRecord: show,
    onConnection(problem) {
      connectionProblem = problem;
    },
  });
}

setInterval(draw, drawMs);
draw();
await showUser();
const found = await allCameras();
cameras.append(...found.map(({ name }) => h('option', { value: name }, name)));
const asked = decodeURIComponent(location.hash.slice(1));
const first = found.find(({ name }) => name === asked) ?? found[0];
cameras.addEventListener('change', () => {
  history.replaceState(null, '', `#${encodeURIComponent(cameras.value)}`);
  choose(cameras.value);
});
if (first) {
  cameras.value = first.name;
  choose(first.name);
}
