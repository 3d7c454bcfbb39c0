/**
 * Marks above an image: where the defects are. A tap or click places a point or removes the mark under it; a drag draws a box.
 * With the keyboard, arrow keys move a cursor and Enter does what a tap does. The layer has the coordinates of the image and is fitted
 * into its box as the image is, so marks stay in place at any size and zoom.
 */

import { t, tn } from '../shared/language.js';

/** @import { Mark } from '../../../calibration/dataset/shapes.ts' */
/** @import { MarksView } from '../../../calibration/views.ts' */

/** @typedef {{readonly x: number, readonly y: number}} Point fractions of the image */
/** @typedef {ReturnType<typeof createMarksLayer>} MarksLayer */

const namespace = 'http://www.w3.org/2000/svg';
/** A pointer that moves less counts as a tap, px on the screen. */
const tapPx = 10;
/** Maximum distance from a mark at which a tap removes it, px on the screen. */
const hitPx = 22;
/** Limit of the agent. */
const maxMarks = 50;
const cursorStep = 0.01;
const fastStep = 0.05;

/** @param {{onChange: (marks: Mark[]) => void, announce: (text: string) => void}} options */
export function createMarksLayer({ onChange, announce }) {
  const element = document.createElementNS(namespace, 'svg');
  element.setAttribute('class', 'marks');
  element.setAttribute('aria-hidden', 'true');
  let size = { width: 1, height: 1 };
  /** @type {Mark[]} */
  let marks = [];
  /** @type {MarksView['areas']} */
  let areas = [];
  /** State before each change made here. @type {Mark[][]} */
  let history = [];
  let isEnabled = false;
  /** @type {Point | undefined} */
  let cursor;
  /** @type {{id: number, start: Point, x: number, y: number, box?: Mark | undefined} | undefined} */
  let press;

  /** @param {string} name @param {Record<string, string | number>} attributes */
  const draw = (name, attributes) => {
    const node = document.createElementNS(namespace, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    element.append(node);
  };
  /** A dot of the same size at any zoom: the round end of a line without length. @param {Point} at @param {string} kind */
  const drawDot = ({ x, y }, kind) => {
    const d = `M${x * size.width} ${y * size.height}h0.001`;
    draw('path', { class: `mark-edge ${kind}`, d });
    draw('path', { class: `mark-dot ${kind}`, d });
  };
  /** @param {string} d @param {string} kind */
  const drawOutline = (d, kind) => {
    draw('path', { class: `mark-halo ${kind}`, d });
    draw('path', { class: `mark-line ${kind}`, d });
  };
  /** @param {Mark} mark @param {string} [kind] */
  const drawMark = (mark, kind = '') => {
    if (mark.kind === 'point') return drawDot(mark, kind);
    const [x, y] = [mark.x * size.width, mark.y * size.height];
    const [width, height] = [mark.width * size.width, mark.height * size.height];
    return drawOutline(`M${x} ${y}h${width}v${height}h${-width}z`, kind);
  };
  const redraw = () => {
    element.replaceChildren();
    for (const area of areas) {
      const corners = area.points?.map(([x, y]) => `${x * size.width} ${y * size.height}`);
      if (corners) drawOutline(`M${corners.join('L')}z`, 'is-area');
      drawDot(area, 'is-area');
    }
    for (const mark of marks) drawMark(mark);
    if (press?.box) drawMark(press.box, 'is-new');
    if (cursor && isEnabled) {
      const [x, y] = [cursor.x * size.width, cursor.y * size.height];
      drawOutline(`M${x} 0V${size.height}M0 ${y}H${size.width}`, 'is-cursor');
    }
  };
  /** @param {Mark[]} next @param {string} text what was done */
  const change = (next, text) => {
    history.push(marks);
    marks = next;
    redraw();
    announce(`${text} ${countText(marks.length)}`);
    onChange(marks);
  };

  /** Position of an event, also outside of the image. @param {PointerEvent} event @returns {Point} */
  const pointOf = ({ clientX, clientY }) => {
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(element.getScreenCTM()?.inverse());
    return { x: x / size.width, y: y / size.height };
  };
  /** Px on the screen for one px of the image. */
  const scale = () => element.getScreenCTM()?.a ?? 1;
  /** The mark within reach of a point; the newest first. @param {Point} at */
  const markAt = ({ x, y }) => {
    const reach = hitPx / scale();
    return marks.findLast((mark) => {
      const [dx, dy] = [(x - mark.x) * size.width, (y - mark.y) * size.height];
      if (mark.kind === 'point') return Math.hypot(dx, dy) <= reach;
      const [width, height] = [mark.width * size.width, mark.height * size.height];
      const inside = Math.min(reach, 8 / scale());
      return dx >= -inside && dy >= -inside && dx <= width + inside && dy <= height + inside;
    });
  };
  /** @param {Point} at */
  const tap = (at) => {
    const hit = markAt(at);
    if (hit)
      change(
        marks.filter((one) => one !== hit),
        t('Mark removed.'),
      );
    else add({ kind: 'point', x: at.x, y: at.y });
  };
  /** @param {Mark} mark */
  const add = (mark) => {
    if (marks.length < maxMarks) change([...marks, mark], t('Defect marked.'));
    else announce(t('No more than {n} marks are possible.', { n: maxMarks }));
  };

  element.addEventListener('pointerdown', (event) => {
    // A second finger zooms.
    if (press || !event.isPrimary) {
      cancel();
      return;
    }
    const start = pointOf(event);
    if (!isEnabled || event.button !== 0 || !isWithin(start)) return;
    element.setPointerCapture(event.pointerId);
    press = { id: event.pointerId, start, x: event.clientX, y: event.clientY };
  });
  element.addEventListener('pointermove', (event) => {
    if (press?.id !== event.pointerId) return;
    const isDrag = Math.hypot(event.clientX - press.x, event.clientY - press.y) > tapPx;
    if (!isDrag && !press.box) return;
    press.box = boxOf(press.start, pointOf(event));
    redraw();
  });
  element.addEventListener('pointerup', (event) => {
    if (press?.id !== event.pointerId) return;
    const { start, box } = press;
    press = undefined;
    if (!box) tap(start);
    else if (box.kind === 'box' && box.width > 0 && box.height > 0) add(box);
    else redraw();
  });
  const cancel = () => {
    press = undefined;
    redraw();
  };
  element.addEventListener('pointercancel', cancel);

  return {
    element,
    get marks() {
      return marks;
    },
    get canUndo() {
      return history.length > 0;
    },
    /**
     * Shows marks of another image, without reporting a change.
     * @param {{width: number, height: number}} image px @param {readonly Mark[]} [newMarks] @param {MarksView['areas']} [newAreas] not changed here
     */
    show(image, newMarks = [], newAreas = []) {
      size = image;
      element.setAttribute('viewBox', `0 0 ${size.width} ${size.height}`);
      marks = [...newMarks];
      areas = newAreas;
      history = [];
      cursor = undefined;
      press = undefined;
      redraw();
    },
    /** @param {boolean} value whether marks can be changed */
    enable(value) {
      isEnabled = value;
      element.classList.toggle('is-enabled', value);
      redraw();
    },
    clear() {
      if (marks.length > 0) change([], t('Marks removed.'));
    },
    /** The last change made here. */
    undo() {
      const before = history.pop();
      if (!before) return;
      marks = before;
      redraw();
      announce(`${t('Undone.')} ${countText(marks.length)}`);
      onChange(marks);
    },
    /** @param {KeyboardEvent} event @returns {boolean} whether the key was used */
    onKey({ key, shiftKey }) {
      if (!isEnabled) return false;
      const direction = directions[key];
      if (direction) {
        const step = shiftKey ? fastStep : cursorStep;
        const [dx, dy] = direction;
        const { x, y } = cursor ?? { x: 0.5, y: 0.5 };
        // The first press shows the cursor in the middle.
        cursor = cursor ? { x: within(x + dx * step), y: within(y + dy * step) } : { x, y };
        redraw();
        return true;
      }
      if (!cursor) return false;
      if (key === 'Enter') tap(cursor);
      else if (key === 'Escape') {
        cursor = undefined;
        redraw();
      } else return false;
      return true;
    },
  };
}

/** @type {Record<string, readonly [number, number] | undefined>} */
const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {number} count */
const countText = (count) => tn('{n} mark.', '{n} marks.', count);

/** @param {number} value */
const within = (value) => Math.min(1, Math.max(0, value));

/** @param {Point} point */
const isWithin = ({ x, y }) => x >= 0 && x <= 1 && y >= 0 && y <= 1;

/** @param {Point} a @param {Point} b @returns {Mark} */
function boxOf(a, b) {
  const [left, right] = [within(Math.min(a.x, b.x)), within(Math.max(a.x, b.x))];
  const [top, bottom] = [within(Math.min(a.y, b.y)), within(Math.max(a.y, b.y))];
  return { kind: 'box', x: left, y: top, width: right - left, height: bottom - top };
}
