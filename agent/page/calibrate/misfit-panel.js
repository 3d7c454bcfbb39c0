/** Shown above every tab if the active model was trained on another base; trains it again with one tap. */

import { byId, setText } from '../shared/dom.js';
import { capital } from '../shared/format.js';
import { fromAgent, t, tn } from '../shared/language.js';
import { trainOnClick } from './train-button.js';

/** @import { Tools } from './tools.js' */

/** @param {Tools} tools */
export function createMisfitPanel(tools) {
  const button = byId('misfit-refit', HTMLButtonElement);
  trainOnClick(button, tools);
  tools.overview.subscribe(({ misfit, training, frames }) => {
    byId('misfit').hidden = misfit === null;
    if (misfit === null) return;
    const isRunning = training.state === 'running';
    button.disabled = isRunning || frames === 0;
    // The hashes are omitted here.
    const reason = capital(fromAgent(misfit.replaceAll(/ \([0-9a-f]+…\)/g, '')));
    setText(
      byId('misfit-text'),
      t(
        '{reason}. Every part is uncertain until a model is trained for this base, the pre-trained network on which models build.',
        { reason },
      ),
    );
    setText(byId('misfit-hint'), hintOf(isRunning, frames));
  });
}

/**
 * @param {boolean} isRunning
 * @param {number} frames
 */
function hintOf(isRunning, frames) {
  if (isRunning) return t('It is being trained; the Train tab shows the progress.');
  if (frames === 0) return t('No part is labelled on this station yet. Label parts first.');
  return tn(
    'Trains on {n} labelled part. The new model is used at once if it passes its check; otherwise it waits in the Train tab.',
    'Trains on {n} labelled parts. The new model is used at once if it passes its check; otherwise it waits in the Train tab.',
    frames,
  );
}
