import { post } from '../shared/api-client.js';
import { t } from '../shared/language.js';

/** @import { Tools } from './tools.js' */

/**
 * The button starts a training whose result is promoted if the gate accepts it.
 * @param {HTMLButtonElement} button
 * @param {Tools} tools
 */
export function trainOnClick(button, { overview, toasts, announce }) {
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await post('api/v1/training/start', { promote: true });
      announce(t('Training has started.'));
    } catch (error) {
      toasts.error(error);
    }
    await overview.refresh();
  });
}
