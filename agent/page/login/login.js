/** Exchanges a token for a session, then goes on to the page that was asked for. */
const byId = (id) => document.getElementById(id);

const pages = ['calibrate.html', 'evidence.html'];

/** Only our own pages: an address somebody else made up leads to the line. */
function goOn() {
  const to = new URLSearchParams(location.search).get('to');
  location.replace(`${pages.includes(to) ? to : './'}${location.hash}`);
}

function tell(problem) {
  byId('problem').hidden = problem === '';
  byId('problem').textContent = problem;
}

async function logIn(event) {
  event.preventDefault();
  byId('send').disabled = true;
  tell('');
  try {
    const response = await fetch('api/v1/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: byId('token').value.trim() }),
    });
    if (response.ok) return goOn();
    const { error } = await response.json();
    tell(response.status === 401 ? 'Nobody has this token. Is all of it there?' : error.message);
    byId('token').select();
  } catch {
    tell('No connection to the agent.');
  } finally {
    byId('send').disabled = false;
  }
}

byId('login').addEventListener('submit', logIn);
// A link from elsewhere comes without the cookie, although there is a session (SameSite=Strict).
const known = await fetch('api/v1/session').catch(() => undefined);
if (known?.ok) goOn();
else byId('token').focus();
