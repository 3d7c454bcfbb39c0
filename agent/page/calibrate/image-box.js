/** Shows an image, with or without the location of its defect, or a text. */
import { errorText, fetchImage } from '../shared/api-client.js';
import { h } from '../shared/dom.js';
import { t } from '../shared/language.js';
import { createWhereLayer, fetchPlaces, whereLegend } from '../shared/where-layer.js';

/** @import { PlacesView } from '../../http/views.ts' */
/** @import { Child } from '../shared/dom.js' */
/** @import { MarksLayer } from './marks-layer.js' */

/** A button that shows and hides the heat map. */
export const heatMapButton = () =>
  h(
    'button',
    { class: 'button', type: 'button', 'aria-pressed': 'false' },
    h('kbd', { 'aria-hidden': 'true' }, 'W'),
    ` ${t('Show why')}`,
  );

/**
 * @param {HTMLElement} frame @param {HTMLButtonElement} button pressed while the heat map is shown
 * @param {MarksLayer} [layer] above the image and the heat map
 */
export function createImageBox(frame, button, layer) {
  /** @type {{image: HTMLImageElement, alt: string, heatMapPath: string, resultId: string | undefined, heatMap?: HTMLImageElement, places?: PlacesView | undefined} | undefined} */
  let shown;
  const where = createWhereLayer();
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
    if (!current.heatMap) frame.replaceChildren(...marked(image), note(t('Computing the heat map …')));
    try {
      if (await showPlaces(current, () => own === changes)) return;
      current.heatMap ??= await fetchImage(current.heatMapPath);
      if (own !== changes) return;
      current.heatMap.alt = `${t('Heat map: the areas that led to this label.')} ${alt}`;
      frame.replaceChildren(
        ...marked(current.heatMap),
        note(t('Warm colours: the areas that led to this label')),
      );
    } catch (error) {
      if (own !== changes) return;
      setHeatMap(false);
      frame.replaceChildren(...marked(image), note(errorText(error)));
    }
  };
  /**
   * Shows where the model saw a defect when it judged the part. @param {NonNullable<typeof shown>} current @param {() =>
   * boolean} isCurrent
   * @returns {Promise<boolean>} false if the location is unknown
   */
  const showPlaces = async (current, isCurrent) => {
    const { image, resultId } = current;
    if (resultId === undefined) return false;
    current.places ??= await fetchPlaces(resultId).catch(() => undefined);
    const { places } = current;
    if (!places?.map) return false;
    if (!isCurrent()) return true;
    const { naturalWidth: width, naturalHeight: height } = image;
    where.show({ width, height }, places);
    frame.replaceChildren(
      image,
      where.element,
      ...marked(image).slice(1),
      h('div', { class: 'look-note' }, whereLegend()),
    );
    return true;
  };
  button.addEventListener('click', toggleHeatMap);

  return {
    /** The image shown now, if any: a part may be labelled only while its image is shown. */
    get image() {
      return shown?.image;
    },
    /**
     * @param {HTMLImageElement} image @param {string} alt @param {string} heatMapPath shown if the location is unknown
     * @param {string} [resultId] result of the part that was judged with this image
     */
    show(image, alt, heatMapPath, resultId) {
      if (shown?.image === image) return;
      changes++;
      image.alt = alt;
      shown = { image, alt, heatMapPath, resultId };
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
