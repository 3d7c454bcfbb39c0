/** The region as a rectangle above the image: moved and resized by mouse, touch and keyboard. */
import { h } from '../shared/dom.js';
import { t } from '../shared/language.js';

/** @typedef {{x: number, y: number, width: number, height: number}} Region fractions of the image */

/** Smallest side, fraction of the image. */
export const minSide = 0.02;
const step = 0.005;
const largeStep = 0.05;

const corners = /** @type {const} */ ([
  ['left', 'top'],
  ['right', 'top'],
  ['left', 'bottom'],
  ['right', 'bottom'],
]);

/** @param {number} value @param {number} least @param {number} most */
const between = (value, least, most) => Math.min(most, Math.max(least, value));

/** @param {HTMLElement} frame the element with the image @param {(region: Region) => void} onChange */
export function createRegionBox(frame, onChange) {
  /** @type {Region} */
  let region = { x: 0, y: 0, width: 1, height: 1 };
  const box = h('button', {
    class: 'aim-box',
    type: 'button',
    'aria-label': t('Move the region with the arrow keys'),
  });
  const names = {
    'left top': t('Upper left corner of the region: move it with the arrow keys'),
    'right top': t('Upper right corner of the region: move it with the arrow keys'),
    'left bottom': t('Lower left corner of the region: move it with the arrow keys'),
    'right bottom': t('Lower right corner of the region: move it with the arrow keys'),
  };
  const handles = corners.map((corner) => {
    const name = /** @type {keyof typeof names} */ (corner.join(' '));
    const element = h('button', {
      class: 'aim-corner',
      type: 'button',
      'aria-label': names[name],
      data: { corner: name },
    });
    return { corner, element };
  });

  const draw = () => {
    const { x, y, width, height } = region;
    place(box, region);
    for (const { corner, element } of handles) {
      element.style.left = `${100 * (corner[0] === 'left' ? x : x + width)}%`;
      element.style.top = `${100 * (corner[1] === 'top' ? y : y + height)}%`;
    }
  };
  /** @param {Region} next */
  const change = (next) => {
    region = next;
    draw();
    onChange(region);
  };
  /** @param {Region} from @param {number} dx @param {number} dy */
  const move = (from, dx, dy) =>
    change({
      ...from,
      x: between(from.x + dx, 0, 1 - from.width),
      y: between(from.y + dy, 0, 1 - from.height),
    });
  /** @param {Region} from @param {readonly string[]} corner @param {number} dx @param {number} dy */
  const resize = (from, corner, dx, dy) => {
    const right = from.x + from.width;
    const bottom = from.y + from.height;
    const next = { ...from };
    if (corner[0] === 'left') {
      next.x = between(from.x + dx, 0, right - minSide);
      next.width = right - next.x;
    } else next.width = between(from.width + dx, minSide, 1 - from.x);
    if (corner[1] === 'top') {
      next.y = between(from.y + dy, 0, bottom - minSide);
      next.height = bottom - next.y;
    } else next.height = between(from.height + dy, minSide, 1 - from.y);
    change(next);
  };

  /** @param {HTMLElement} element @param {(from: Region, dx: number, dy: number) => void} apply */
  const listen = (element, apply) => {
    /** @type {{id: number, x: number, y: number, from: Region} | undefined} */
    let press;
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      press = { id: event.pointerId, x: event.clientX, y: event.clientY, from: region };
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener('pointermove', (event) => {
      if (press?.id !== event.pointerId) return;
      const { width, height } = frame.getBoundingClientRect();
      apply(press.from, (event.clientX - press.x) / width, (event.clientY - press.y) / height);
    });
    for (const end of ['pointerup', 'pointercancel']) {
      element.addEventListener(end, () => {
        press = undefined;
      });
    }
    element.addEventListener('keydown', (event) => {
      const size = event.shiftKey ? largeStep : step;
      const [dx, dy] = {
        ArrowLeft: [-size, 0],
        ArrowRight: [size, 0],
        ArrowUp: [0, -size],
        ArrowDown: [0, size],
      }[event.key] ?? [0, 0];
      if (dx === 0 && dy === 0) return;
      event.preventDefault();
      apply(region, dx ?? 0, dy ?? 0);
    });
  };
  listen(box, move);
  for (const { corner, element } of handles) {
    listen(element, (from, dx, dy) => resize(from, corner, dx, dy));
  }
  frame.append(box, ...handles.map(({ element }) => element));

  return {
    /** @param {Region} next */
    show(next) {
      region = next;
      draw();
    },
  };
}

/** @param {HTMLElement} element @param {Region} region */
export function place(element, { x, y, width, height }) {
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
  element.style.width = `${100 * width}%`;
  element.style.height = `${100 * height}%`;
}
