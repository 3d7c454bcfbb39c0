/**
 * Shows the location of a defect above an image: a heat map and boxes. The layer has the coordinates of the image and is
 * fitted into its box as the image is, so both stay in place at any size and zoom.
 */
import { get } from './api-client.js';
import { h } from './dom.js';
import { t } from './language.js';

/** @import { PlacesView } from '../../http/views.ts' */
/** @typedef {{readonly width: number, readonly height: number}} Size */

const namespace = 'http://www.w3.org/2000/svg';
/** From ordinary to the highest level: lighter with each step, so that it can be read without colour vision (plasma). */
const colours = [
  [13, 8, 135],
  [126, 3, 168],
  [204, 71, 120],
  [248, 149, 64],
  [240, 249, 33],
];
/** Opacity of the highest level. */
const strongest = 0.7;
const wholeFrame = { x: 0, y: 0, width: 1, height: 1 };
const storageKey = 'qc-where';

/** Boxes and map of a result. @param {string} resultId @returns {Promise<PlacesView>} */
export const fetchPlaces = (resultId) => get(`api/v1/results/${resultId}/where`);

export function createWhereLayer() {
  const element = document.createElementNS(namespace, 'svg');
  element.setAttribute('class', 'where');
  element.setAttribute('aria-hidden', 'true');
  /** @param {string} name @param {Record<string, string | number>} attributes */
  const draw = (name, attributes) => {
    const node = document.createElementNS(namespace, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    element.append(node);
  };
  return {
    element,
    clear() {
      element.replaceChildren();
    },
    /**
     * @param {Size} image px
     * @param {PlacesView} places
     * @param {boolean} [isFrame] the image is the whole frame, not only the region that was judged
     */
    show({ width, height }, { where, region = wholeFrame, map }, isFrame = false) {
      element.replaceChildren();
      element.setAttribute('viewBox', `0 0 ${width} ${height}`);
      const shown = isFrame ? wholeFrame : region;
      /** @param {{x: number, y: number, width: number, height: number}} box fractions of the frame */
      const place = (box) => ({
        x: ((box.x - shown.x) / shown.width) * width,
        y: ((box.y - shown.y) / shown.height) * height,
        width: (box.width / shown.width) * width,
        height: (box.height / shown.height) * height,
      });
      if (map) draw('image', { ...place(region), href: coloured(map), preserveAspectRatio: 'none' });
      for (const kind of ['halo', 'line']) {
        for (const box of where) draw('rect', { class: `where-${kind}`, ...place(box) });
      }
    },
  };
}

/** The map as an image of one pixel for each place. @param {NonNullable<PlacesView['map']>} map */
function coloured({ width, height, levels }) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (!context) return '';
  const pixels = context.createImageData(width, height);
  Array.from(atob(levels)).forEach((byte, i) => {
    const level = byte.charCodeAt(0) / 255;
    pixels.data.set([...colourOf(level), Math.round(255 * strongest * level)], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}

/** @param {number} level 0 to 1 @returns {number[]} red, green, blue */
function colourOf(level) {
  const at = level * (colours.length - 1);
  const low = Math.min(colours.length - 2, Math.floor(at));
  const [from, to] = [colours[low] ?? [], colours[low + 1] ?? []];
  return from.map((value, i) => Math.round(value + (at - low) * ((to[i] ?? 0) - value)));
}

/** Legend of the colours. */
export const whereLegend = () =>
  h(
    'p',
    { class: 'where-legend' },
    `${t('usual')} `,
    h('span', { class: 'where-scale', 'aria-hidden': 'true' }),
    ` ${t('unusual')}`,
  );

/** Whether the layer is shown; stored in each browser. */
export const whereShown = {
  get value() {
    return localStorage.getItem(storageKey) !== 'off';
  },
  set value(on) {
    localStorage.setItem(storageKey, on ? 'on' : 'off');
  },
};

/** A button that shows and hides the layer. @param {() => void} onChange */
export function whereButton(onChange) {
  const button = h('button', { class: 'button where-button', type: 'button' }, t('Show where'));
  const draw = () => button.setAttribute('aria-pressed', String(whereShown.value));
  button.title = t('Show where the defect is');
  button.addEventListener('click', () => {
    whereShown.value = !whereShown.value;
    draw();
    onChange();
  });
  draw();
  return button;
}

/** Whether there is a location to show. @param {Pick<PlacesView, 'where' | 'map'>} places */
export const hasPlaces = ({ where, map }) => where.length > 0 || map !== null;
