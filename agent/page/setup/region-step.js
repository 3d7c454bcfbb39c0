/** Step 3: draws the region on the image, by pointer, by keyboard or as numbers. */
import { byId } from '../shared/dom.js';
import { t } from '../shared/language.js';

/** @import { Step, StepDeps } from './setup.js' */
/** @typedef {{x: number, y: number, width: number, height: number}} Region fractions */

const whole = { x: 0, y: 0, width: 1, height: 1 };
const smallest = 0.02;
const keyStep = 0.01;
const keys = /** @type {const} */ (['x', 'y', 'width', 'height']);

/** @param {StepDeps} deps @returns {Step} */
export function createRegionStep({ station, mode }) {
  const aim = byId('aim');
  const box = byId('region-box');
  const image = byId('region-image', HTMLImageElement);
  const numbers = keys.map((key) => byId(`region-${key}`, HTMLInputElement));
  /** @type {Region} */
  let region = whole;

  /** @param {Region} next */
  function set(next) {
    const width = Math.min(1, Math.max(smallest, next.width));
    const height = Math.min(1, Math.max(smallest, next.height));
    region = {
      x: Math.min(1 - width, Math.max(0, next.x)),
      y: Math.min(1 - height, Math.max(0, next.y)),
      width,
      height,
    };
    const percent = (/** @type {number} */ share) => `${share * 100}%`;
    box.style.left = percent(region.x);
    box.style.top = percent(region.y);
    box.style.width = percent(region.width);
    box.style.height = percent(region.height);
    for (const [index, key] of keys.entries()) {
      const field = numbers[index];
      if (field && field !== document.activeElement)
        field.value = String(Math.round(region[key] * 1000) / 10);
    }
    box.setAttribute(
      'aria-label',
      t('Region: left {x} %, top {y} %, width {width} %, height {height} %', {
        x: Math.round(region.x * 100),
        y: Math.round(region.y * 100),
        width: Math.round(region.width * 100),
        height: Math.round(region.height * 100),
      }),
    );
  }

  /** @param {PointerEvent} event */
  const placeOf = ({ clientX, clientY }) => {
    const area = aim.getBoundingClientRect();
    const share = (/** @type {number} */ value, /** @type {number} */ size) =>
      Math.min(1, Math.max(0, value / size));
    return { x: share(clientX - area.left, area.width), y: share(clientY - area.top, area.height) };
  };
  /** @type {{x: number, y: number} | undefined} */
  let start;
  aim.addEventListener('pointerdown', (event) => {
    start = placeOf(event);
    aim.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  aim.addEventListener('pointermove', (event) => {
    if (!start) return;
    const end = placeOf(event);
    set({
      x: Math.min(start.x, end.x),
      y: Math.min(start.y, end.y),
      width: Math.abs(start.x - end.x),
      height: Math.abs(start.y - end.y),
    });
  });
  for (const name of /** @type {const} */ (['pointerup', 'pointercancel'])) {
    aim.addEventListener(name, () => {
      start = undefined;
    });
  }
  box.addEventListener('keydown', (event) => {
    const across = { ArrowLeft: -keyStep, ArrowRight: keyStep }[event.key] ?? 0;
    const down = { ArrowUp: -keyStep, ArrowDown: keyStep }[event.key] ?? 0;
    if (across === 0 && down === 0) return;
    event.preventDefault();
    const { x, y, width, height } = region;
    if (event.shiftKey)
      set({ x, y, width: Math.min(1 - x, width + across), height: Math.min(1 - y, height + down) });
    else set({ x: x + across, y: y + down, width, height });
  });
  for (const [index, key] of keys.entries()) {
    numbers[index]?.addEventListener('input', () => {
      const value = numbers[index]?.valueAsNumber ?? Number.NaN;
      if (!Number.isNaN(value)) set({ ...region, [key]: value / 100 });
    });
    numbers[index]?.addEventListener('blur', () => set(region));
  }
  byId('region-all').addEventListener('click', () => set(whole));
  image.addEventListener('load', () => showImage(true));
  image.addEventListener('error', () => showImage(false));

  /** @param {boolean} has */
  function showImage(has) {
    image.hidden = !has;
    byId('region-empty').hidden = has;
    box.hidden = !has;
  }

  return {
    id: 'region',
    isDone: () => station.at('cameras', station.camera, 'region') !== undefined,
    show() {
      set({ ...whole, ...station.at('cameras', station.camera, 'region') });
      const taken = 'api/v1/setup/image.jpg';
      const live = `api/v1/cameras/${encodeURIComponent(station.camera)}/preview.jpg`;
      // A running line has the image of its newest part.
      image.src = `${mode === 'first' ? taken : live}?at=${performance.now()}`;
    },
    async save() {
      if (station.camera === '') return;
      const rounded = Object.fromEntries(keys.map((key) => [key, Math.round(region[key] * 10_000) / 10_000]));
      // Rounding must not leave the image.
      rounded.width = Math.min(rounded.width ?? 1, Math.floor((1 - (rounded.x ?? 0)) * 10_000) / 10_000);
      rounded.height = Math.min(rounded.height ?? 1, Math.floor((1 - (rounded.y ?? 0)) * 10_000) / 10_000);
      await station.change([{ path: ['cameras', station.camera, 'region'], value: rounded }]);
    },
  };
}
