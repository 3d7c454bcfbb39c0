/** The login page: exchanges a token for a session, then opens the page that was asked for. */
import { byId, setText } from '../shared/dom.js';
import { errorMessage, t } from '../shared/language.js';

const token = byId('token', HTMLInputElement);
const send = byId('send', HTMLButtonElement);

/** Opens only pages next to this one, regardless of the address. */
function openPage() {
  const to = new URLSearchParams(location.search).get('to') ?? '';
  location.replace(`${/^[a-z]+\.html$/.test(to) ? to : './'}${location.hash}`);
}

/** @param {string} problem */
function showProblem(problem) {
  byId('problem').hidden = problem === '';
  setText(byId('problem'), problem);
}

/** @param {Event} event */
async function logIn(event) {
  event.preventDefault();
  send.disabled = true;
  showProblem('');
  try {
    const response = await fetch('api/v1/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: token.value.trim() }),
    });
    if (response.ok) return openPage();
    const { error } = await response.json();
    showProblem(
      response.status === 401
        ? t('This token is not valid. Check that you copied all of it.')
        : errorMessage(error.code, error.message),
    );
    token.select();
  } catch {
    showProblem(t('No connection to the agent.'));
  } finally {
    send.disabled = false;
  }
}

byId('login').addEventListener('submit', logIn);
// A link from another site arrives without the cookie although there is a session (SameSite=Strict).
const session = await fetch('api/v1/session').catch(() => undefined);
if (session?.ok) openPage();
else token.focus();
