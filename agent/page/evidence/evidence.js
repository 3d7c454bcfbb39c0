/** Pictures of past parts that the agent kept: filter, look, correct. */

import { shortTimeOf, timeOf } from '../calibrate/rates.js';
import { ApiError, get } from '../shared/api-client.js';
import { openDialog } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { meetPerson } from '../shared/user.js';
import { labelOf, percentOf, verdictWords } from '../shared/verdicts.js';

const pageSize = 60;
const list = byId('parts');
const form = byId('filter');
let next = null;
/** Counts up, so that what comes late is not shown under another filter. */
let turn = 0;

/** Only what was filled in; times of this browser's zone become UTC. */
function queryOf() {
  const query = new URLSearchParams({ limit: pageSize });
  for (const [name, value] of new FormData(form)) {
    if (value === '') continue;
    query.set(name, name === 'from' || name === 'to' ? new Date(value).toISOString() : value);
  }
  return query;
}

const pictureOf = ({ resultId }) => `api/v1/evidence/${resultId}.jpg`;

function partItem(result) {
  const { verdict, camera, partId, capturedAt } = result;
  const { word, symbol } = verdictWords[verdict];
  const time = timeOf(capturedAt);
  return h(
    'li',
    {},
    h(
      'button',
      {
        class: 'evidence-part',
        type: 'button',
        'aria-label': `${word}: ${labelOf(result)}, part ${partId} of ${camera}, ${time}`,
        data: { verdict, resultId: result.resultId },
        onclick: () => look(result),
      },
      h('img', {
        src: pictureOf(result),
        alt: '',
        loading: 'lazy',
        decoding: 'async',
        width: 150,
        height: 120,
      }),
      h('span', {}, `${symbol} ${labelOf(result)}`),
      h('span', {}, partId),
      h('span', {}, shortTimeOf(capturedAt)),
    ),
  );
}

function look(result) {
  const { resultId, verdict, probability, partId, camera, recipe, reasons, model, capturedAt } = result;
  const { word, symbol } = verdictWords[verdict];
  const sure = probability === null ? '' : `, ${percentOf(probability, 0)} sure`;
  const facts = [camera, recipe, timeOf(capturedAt), `head ${model.version}`].join(' · ');
  const { dialog } = openDialog(
    { class: 'dialog is-wide evidence-look', 'aria-label': `Part ${partId}` },
    h('h2', {}, `${symbol} ${word}: ${labelOf(result)}${sure}`),
    h('img', { src: pictureOf(result), alt: `Part ${partId}` }),
    h('p', {}, reasons.join(' · ')),
    h('p', { class: 'hint' }, `${partId} · ${facts}`),
    h(
      'div',
      { class: 'row' },
      h(
        'a',
        { class: 'button is-primary', href: `calibrate.html#label/${resultId}`, data: { needs: 'operator' } },
        'Correct the label',
      ),
      h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Close'),
    ),
  );
}

async function load({ isMore = false } = {}) {
  const mine = ++turn;
  const query = queryOf();
  if (isMore) query.set('before', next);
  byId('more').disabled = true;
  try {
    const page = await get(`api/v1/evidence?${query}`);
    if (mine !== turn) return;
    if (!isMore) list.replaceChildren();
    list.append(...page.items.map(partItem));
    next = page.next;
    const isNone = list.childElementCount === 0;
    setText(byId('words'), isNone && next === null ? 'No picture is kept of such a part.' : '');
    byId('banner').hidden = true;
  } catch (error) {
    if (mine !== turn) return;
    setText(byId('banner'), error instanceof ApiError ? error.words : String(error));
    byId('banner').hidden = false;
  }
  byId('more').hidden = next === null;
  byId('more').disabled = false;
}

async function fillCameras() {
  const cameras = await get('api/v1/cameras').catch(() => []);
  form.elements.camera.append(...cameras.map(({ name }) => h('option', { value: name }, name)));
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  next = null;
  void load();
});
form.addEventListener('change', () => form.requestSubmit());
byId('more').addEventListener('click', () => load({ isMore: true }));
void meetPerson();
void fillCameras();
void load();
