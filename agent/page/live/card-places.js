/** Shows the location of the newest part's defect in the image of the camera and in that of the part. */
import {
  createWhereLayer,
  fetchPlaces,
  hasPlaces,
  whereButton,
  whereLegend,
  whereShown,
} from '../shared/where-layer.js';

/** @import { PlacesView } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */
/** @import { Size } from '../shared/where-layer.js' */
/** @typedef {'scene' | 'part'} Which the image of the camera, or that of the part */

/** @param {Record<Which | 'tools', HTMLElement>} elements frames of both images, and where button and legend go */
export function createCardPlaces({ scene, part, tools }) {
  const layers = { scene: createWhereLayer(), part: createWhereLayer() };
  scene.append(layers.scene.element);
  part.append(layers.part.element);
  const legend = whereLegend();
  /** @type {{paths: Record<Which, string>, places: PlacesView} | undefined} */
  let newest;
  /** The current content of each image. @type {Partial<Record<Which, {url: string, size: Size}>>} */
  const shown = {};
  const draw = () => {
    let isDrawn = false;
    for (const which of /** @type {Which[]} */ (['scene', 'part'])) {
      const image = shown[which];
      // An image of another part must not show the boxes of this one.
      if (whereShown.value && newest && image && image.url === newest.paths[which]) {
        layers[which].show(image.size, newest.places, which === 'scene');
        isDrawn ||= newest.places.map !== null;
      } else layers[which].clear();
    }
    legend.hidden = !isDrawn;
  };
  const button = whereButton(draw);
  tools.append(legend, button);
  legend.hidden = true;
  tools.hidden = true;

  return {
    /** @param {Which} which @param {string} url @param {Size} size */
    imageShown(which, url, size) {
      shown[which] = { url, size };
      draw();
    },
    /** @param {Result} result @param {Record<Which, string>} paths of its images */
    async show({ resultId, verdict, where = [], region }, paths) {
      /** @type {PlacesView} */
      const boxes = { where, region, map: null };
      const own = { paths, places: boxes };
      newest = verdict === 'pass' ? undefined : own;
      draw();
      if (verdict === 'pass' || !(whereShown.value || tools.hidden)) return;
      own.places = await fetchPlaces(resultId).catch(() => boxes);
      // No button if the model cannot locate defects.
      if (hasPlaces(own.places)) tools.hidden = false;
      if (newest === own) draw();
    },
    clear() {
      newest = undefined;
      draw();
    },
  };
}
