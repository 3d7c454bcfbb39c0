/** How the probability is shared among the labels, the most probable first. */
import { percentOf } from '../shared/verdicts.js';

const shown = 4;

/** @param {HTMLElement} list @param {HTMLTemplateElement} template */
export function createLabelShares(list, template) {
  return {
    /** @param {Record<string, number>} probabilities */
    show(probabilities) {
      const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
      const rows = sorted.slice(0, shown).map(([label, share]) => {
        const row = template.content.firstElementChild.cloneNode(true);
        row.querySelector('.labels-name').textContent = label;
        row.querySelector('.labels-bar > span').style.width = `${share * 100}%`;
        row.querySelector('.labels-share').textContent = percentOf(share);
        return row;
      });
      list.replaceChildren(...rows);
    },
  };
}
