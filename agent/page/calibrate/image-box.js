/** An image, or in its place its heat map, or a text. */
import { errorText, fetchImage } from '../shared/api-client.js';
import { h } from '../shared/dom.js';

/** @import { Child } from '../shared/dom.js' */
/** @import { MarksLayer } from './marks-layer.js' */

/** A button that shows and hides the heat map. */
export const heatMapButton = () =>
  h(
    'button',
    { class: 'button', type: 'button', 'aria-pressed': 'false' },
    h('kbd', { 'aria-hidden': 'true' }, 'W'),
    ' Show why',
  );

/**
 * @param {HTMLElement} frame @param {HTMLButtonElement} button pressed while the heat map is shown
 * @param {MarksLayer} [layer] above the image and the heat map
 */
export function createImageBox(frame, button, layer) {
  /** @type {{image: HTMLImageElement, alt: string, heatMapPath: string, heatMap?: HTMLImageElement} | undefined} */
  let shown;
  let isHeatMap = false;
  /** Incremented with each change, so that a late answer does not replace newer content. */
  let changes = 0;

  /** @param {HTMLImageElement} image @returns {Element[]} */
  const marked = (image) => (layer ? [image, layer.element] : [image]);
  /** @param {boolean} value */
  const setHeatMap = (value) => {
    isHeatMap = value;
    button.setAttribute('aria-pressed', String(value));
    frame.classList.toggle('is-why', value);
  };
  /** @param {string} text */
  const note = (text) => h('p', { class: 'look-note', role: 'status' }, text);
  const toggleHeatMap = async () => {
    if (!shown) return;
    const own = ++changes;
    const current = shown;
    const { image, alt } = current;
    if (isHeatMap) {
      setHeatMap(false);
      frame.replaceChildren(...marked(image));
      return;
    }
    setHeatMap(true);
    if (!current.heatMap) frame.replaceChildren(...marked(image), note('Computing the heat map …'));
    try {
      current.heatMap ??= await fetchImage(current.heatMapPath);
      if (own !== changes) return;
      current.heatMap.alt = `Heat map: the areas that led to this label. ${alt}`;
      frame.replaceChildren(
        ...marked(current.heatMap),
        note('Warm colours: the areas that led to this label'),
      );
    } catch (error) {
      if (own !== changes) return;
      setHeatMap(false);
      frame.replaceChildren(...marked(image), note(errorText(error)));
    }
  };
  button.addEventListener('click', toggleHeatMap);

  return {
    /** The image shown now, if any: a part may be labelled only while its image is shown. */
    get image() {
      return shown?.image;
    },
    /** @param {HTMLImageElement} image @param {string} alt @param {string} heatMapPath */
    show(image, alt, heatMapPath) {
      if (shown?.image === image) return;
      changes++;
      image.alt = alt;
      shown = { image, alt, heatMapPath };
      setHeatMap(false);
      button.disabled = false;
      frame.replaceChildren(...marked(image));
    },
    /** Shows a text in place of an image. @param {...Child} content */
    showText(...content) {
      changes++;
      shown = undefined;
      setHeatMap(false);
      button.disabled = true;
      frame.replaceChildren(h('div', { class: 'look-none' }, ...content));
    },
    toggleHeatMap,
  };
}
