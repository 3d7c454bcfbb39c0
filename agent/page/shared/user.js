/** Who looks at this page and what they may do. The agent decides; the page only does not offer what it would refuse. */
import { byId, h } from './dom.js';

/** Until the agent has said otherwise, everything is offered. */
export const person = { name: '', role: 'engineer', canChange: true };

/** The session is over: back here once somebody has logged in. */
export function toLogin() {
  const here = location.pathname.split('/').at(-1);
  location.replace(`login.html?to=${encodeURIComponent(here)}${location.hash}`);
}

/** Nobody is logged in any more, or only the link is lost? */
export async function checkSession() {
  const response = await fetch('api/v1/session').catch(() => undefined);
  if (response?.status === 401) toLogin();
  return response?.ok ? response.json() : undefined;
}

async function logOut(event) {
  event.currentTarget.disabled = true;
  await fetch('api/v1/session', { method: 'DELETE' }).catch(() => undefined);
  toLogin();
}

/** Asks who it is, shows it at the top, and hides what they may not do: see `data-needs` in page.css. */
export async function meetPerson() {
  const who = await checkSession();
  if (!who) return;
  Object.assign(person, { name: who.name, role: who.role, canChange: who.role !== 'viewer' });
  document.body.dataset.role = who.role;
  const box = byId('person');
  box.hidden = !who.tokens;
  box.replaceChildren(h('span', {}, `${who.name} · ${who.role}`));
  if (who.session) {
    box.append(h('button', { class: 'person-out', type: 'button', onclick: logOut }, 'Log out'));
  }
}
