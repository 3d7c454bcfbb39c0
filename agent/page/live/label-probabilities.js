/** The most probable labels with their probabilities. */
import { copyOf, find } from '../shared/dom.js';
import { percentOf } from '../shared/format.js';

const maxShown = 4;

/** @param {HTMLElement} list @param {HTMLTemplateElement} template */
export function createLabelProbabilities(list, template) {
  return {
    /** @param {Record<string, number>} probabilities */
    show(probabilities) {
      const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
      const rows = sorted.slice(0, maxShown).map(([label, probability]) => {
        const row = copyOf(template);
        find(row, '.labels-name').textContent = label;
        find(row, '.labels-bar > span').style.width = `${probability * 100}%`;
        find(row, '.labels-share').textContent = percentOf(probability);
        return row;
      });
      list.replaceChildren(...rows);
    },
  };
}
