/** The user of this page and their role. The agent enforces roles; the page only hides what the agent would refuse. */
import { byId, h } from './dom.js';
import { listed } from './format.js';
import { t } from './language.js';

/** @import { UserView } from '../../http/views.ts' */

/** Until the agent has answered, every control is shown. @type {{name: string, role: UserView['role'], canChange: boolean}} */
export const user = { name: '', role: 'engineer', canChange: true };

/** @type {Record<UserView['role'], string>} */
const roleWords = { viewer: t('viewer'), operator: t('operator'), engineer: t('engineer') };

/** Opens the login page, which returns to this page afterwards. */
export function toLogin() {
  const here = location.pathname.split('/').at(-1) ?? '';
  location.replace(`login.html?to=${encodeURIComponent(here)}${location.hash}`);
}

/**
 * Opens the login page if the session has ended.
 * @returns {Promise<UserView | undefined>} undefined if nobody is logged in or the agent does not answer
 */
export async function checkSession() {
  const response = await fetch('api/v1/session').catch(() => undefined);
  if (response?.status === 401) toLogin();
  return response?.ok ? response.json() : undefined;
}

/** @param {Event} event */
async function logOut(event) {
  if (event.currentTarget instanceof HTMLButtonElement) event.currentTarget.disabled = true;
  await fetch('api/v1/session', { method: 'DELETE' }).catch(() => undefined);
  toLogin();
}

/** Shows the user in the header and hides the controls that their role does not allow: see `data-needs` in base.css. */
export async function showUser() {
  const session = await checkSession();
  if (!session) return;
  Object.assign(user, { name: session.name, role: session.role, canChange: session.role !== 'viewer' });
  document.body.dataset.role = session.role;
  const box = byId('user');
  box.hidden = !session.tokens;
  box.replaceChildren(h('span', {}, listed(session.name, roleWords[session.role])));
  if (session.session) {
    box.append(h('button', { class: 'log-out', type: 'button', onclick: logOut }, t('Log out')));
  }
}
