/** The evidence page: stored images of earlier parts. Filters them, shows one, and links to its correction. */
import { errorText, evidenceImagePath, get } from '../shared/api-client.js';
import { openDialog } from '../shared/dialog.js';
import { byId, h, setText } from '../shared/dom.js';
import { listed, percentOf, shortTimeOf, timeOf } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';
import { showUser } from '../shared/user.js';
import { labelOf, verdictWords } from '../shared/verdicts.js';
import {
  createWhereLayer,
  fetchPlaces,
  hasPlaces,
  whereButton,
  whereLegend,
  whereShown,
} from '../shared/where-layer.js';

/** @import { CameraWithCounts, EvidencePage } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */

const pageSize = 60;
const list = byId('parts');
const form = byId('filter', HTMLFormElement);
const more = byId('more', HTMLButtonElement);
/** @type {string | null} */
let next = null;
/** Incremented with each request, so that a late answer does not appear under another filter. */
let requests = 0;

/** The query from the filled fields; local times are converted to UTC. */
function queryOf() {
  const query = new URLSearchParams({ limit: String(pageSize) });
  for (const [name, value] of new FormData(form)) {
    if (typeof value !== 'string' || value === '') continue;
    query.set(name, name === 'from' || name === 'to' ? new Date(value).toISOString() : value);
  }
  return query;
}

/** @param {Result} result */
function partItem(result) {
  const { resultId, verdict, camera, partId, capturedAt } = result;
  const { word, symbol } = verdictWords[verdict];
  return h(
    'li',
    {},
    h(
      'button',
      {
        class: 'evidence-part',
        type: 'button',
        'aria-label': t('{verdict}: {label}, part {part} of {camera}, {time}', {
          verdict: word,
          label: labelOf(result),
          part: partId,
          camera,
          time: timeOf(capturedAt),
        }),
        data: { verdict, resultId },
        onclick: () => showPart(result),
      },
      h('img', {
        src: evidenceImagePath(resultId),
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

/** @param {Result} result */
function showPart(result) {
  const { resultId, verdict, probability, partId, camera, recipe, reasons, model, capturedAt } = result;
  const { word, symbol } = verdictWords[verdict];
  const confidence = probability === null ? '' : ` (${percentOf(probability, 0)})`;
  const facts = [
    t('part {part}', { part: partId }),
    camera,
    t('recipe {name}', { name: recipe }),
    timeOf(capturedAt),
    t('model {version}', { version: model.version }),
  ];
  const image = h('img', { src: evidenceImagePath(resultId), alt: t('Part {part}', { part: partId }) });
  const layer = createWhereLayer();
  const tools = h('div', { class: 'row evidence-where' });
  image.addEventListener('load', () => void showPlaces(image, layer, tools, result));
  const { dialog } = openDialog(
    { class: 'dialog is-wide evidence-detail', 'aria-label': t('Part {part}', { part: partId }) },
    h('h2', {}, `${symbol} ${word}: ${labelOf(result)}${confidence}`),
    h('div', { class: 'evidence-shown' }, image, layer.element),
    tools,
    h('p', {}, listed(...reasons.map(fromAgent))),
    h('p', { class: 'hint' }, listed(...facts)),
    h(
      'div',
      { class: 'row' },
      h(
        'a',
        { class: 'button is-primary', href: `calibrate.html#label/${resultId}`, data: { needs: 'operator' } },
        t('Wrong? Fix it'),
      ),
      h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, t('Close')),
    ),
  );
}

/**
 * @param {HTMLImageElement} image @param {ReturnType<typeof createWhereLayer>} layer layer above it
 * @param {HTMLElement} tools takes the button and the legend if there is something to show @param {Result} result
 */
async function showPlaces({ naturalWidth: width, naturalHeight: height }, layer, tools, result) {
  const { resultId, where = [], region } = result;
  const places = await fetchPlaces(resultId).catch(() => ({ where, region, map: null }));
  if (!hasPlaces(places)) return;
  const legend = whereLegend();
  const draw = () => {
    legend.hidden = !whereShown.value || places.map === null;
    if (whereShown.value) layer.show({ width, height }, places);
    else layer.clear();
  };
  tools.replaceChildren(whereButton(draw), legend);
  draw();
}

/** Fills the filter from the address, for links from other pages: `#verdict=fail&label=scratch&from=…`. */
function fillFromAddress() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements.namedItem(name);
    const isTime = name === 'from' || name === 'to';
    if (field instanceof HTMLInputElement) field.value = isTime ? localTimeOf(value) : value;
    else if (field instanceof HTMLSelectElement) {
      if (name === 'camera') field.append(h('option', { value }, value));
      field.value = value;
    }
  }
}

/** As a field for date and time has it: local, without a zone. Empty if it is no time. @param {string} iso */
function localTimeOf(iso) {
  const at = Date.parse(iso);
  const offsetMs = new Date(at).getTimezoneOffset() * 60_000;
  return Number.isNaN(at) ? '' : new Date(at - offsetMs).toISOString().slice(0, 16);
}

async function load({ isMore = false } = {}) {
  const own = ++requests;
  const query = queryOf();
  if (isMore && next !== null) query.set('before', next);
  more.disabled = true;
  try {
    /** @type {EvidencePage} */
    const page = await get(`api/v1/evidence?${query}`);
    if (own !== requests) return;
    if (!isMore) list.replaceChildren();
    list.append(...page.items.map(partItem));
    next = page.next;
    const isNone = list.childElementCount === 0;
    setText(byId('message'), isNone && next === null ? t('No stored image matches this filter.') : '');
    byId('banner').hidden = true;
  } catch (error) {
    if (own !== requests) return;
    setText(byId('banner'), errorText(error));
    byId('banner').hidden = false;
  }
  more.hidden = next === null;
  more.disabled = false;
}

async function fillCameras() {
  /** @type {CameraWithCounts[]} */
  const cameras = await get('api/v1/cameras').catch(() => []);
  const select = byId('camera', HTMLSelectElement);
  const others = cameras.filter(({ name }) => name !== select.value);
  select.append(...others.map(({ name }) => h('option', { value: name }, name)));
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  next = null;
  void load();
});
form.addEventListener('change', () => form.requestSubmit());
more.addEventListener('click', () => load({ isMore: true }));
void showUser();
fillFromAddress();
void fillCameras();
void load();
