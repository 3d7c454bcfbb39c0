/** Step 6: the broker, with a test message. */
import { post } from '../shared/api-client.js';
import { byId, setText } from '../shared/dom.js';
import { t } from '../shared/language.js';
import { showFindings } from './findings.js';

/** @import { BrokerAnswer } from '../../http/setup-tools.ts' */
/** @import { Step, StepDeps } from './setup.js' */

const checkMs = 60_000;

/** @param {StepDeps} deps @returns {Step} */
export function createBrokerStep({ station, report }) {
  const url = byId('broker-url', HTMLInputElement);
  const user = byId('broker-user', HTMLInputElement);
  const password = byId('broker-password', HTMLInputElement);
  const check = byId('check-broker', HTMLButtonElement);
  let isReached = false;

  check.addEventListener('click', async () => {
    check.disabled = true;
    setText(byId('broker-state'), t('Sending a test message …'));
    byId('broker-findings').replaceChildren();
    try {
      const login = { username: user.value.trim() || undefined, password: password.value || undefined };
      /** @type {BrokerAnswer} */
      const { findings } = await post('api/v1/setup/broker', { url: url.value.trim(), ...login }, checkMs);
      isReached = findings.every(({ ok }) => ok);
      showFindings(byId('broker-findings'), findings);
    } catch (error) {
      report(error);
    }
    setText(byId('broker-state'), '');
    check.disabled = false;
  });

  return {
    id: 'broker',
    isDone: () => isReached,
    show() {
      url.value = station.at('mqtt', 'url') ?? '';
      user.value = station.at('mqtt', 'username') ?? '';
      const hasPassword = station.at('mqtt', 'passwordFile') !== undefined;
      password.placeholder = hasPassword ? t('stored: leave empty to keep it') : '';
    },
    async save() {
      const secrets =
        password.value === '' ? [] : [{ path: ['mqtt', 'passwordFile'], value: password.value }];
      const name = user.value.trim() || null;
      const changes = [
        { path: ['mqtt', 'url'], value: url.value.trim() || null },
        { path: ['mqtt', 'username'], value: name },
      ];
      // A password without a user would be refused.
      if (name === null) changes.push({ path: ['mqtt', 'passwordFile'], value: null });
      await station.change(changes, secrets);
      password.value = '';
    },
  };
}
