/** Step 5: the names of good parts and of known defects. */
import { byId } from '../shared/dom.js';

/** @import { Step, StepDeps } from './setup.js' */

/** @param {StepDeps} deps @returns {Step} */
export function createLabelsStep({ station }) {
  const good = byId('labels-good', HTMLInputElement);
  const defects = byId('labels-defects', HTMLInputElement);
  /** @param {HTMLInputElement} field */
  const namesIn = (field) =>
    field.value
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
  /** @param {string[]} names */
  const orNone = (names) => (names.length > 0 ? names : null);
  return {
    id: 'labels',
    isDone: () => station.at('labels', 'good') !== undefined,
    show() {
      good.value = (station.at('labels', 'good') ?? ['good']).join(', ');
      defects.value = (station.at('labels', 'defects') ?? []).join(', ');
    },
    async save() {
      await station.change([
        { path: ['labels', 'good'], value: orNone(namesIn(good)) },
        { path: ['labels', 'defects'], value: orNone(namesIn(defects)) },
      ]);
    },
  };
}
