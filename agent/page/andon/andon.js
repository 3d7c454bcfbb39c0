/** The large view for a screen above the line. It shows nothing as good unless the agent has just said so. */
import { rateOf, stationTimes } from '../line/words.js';
import { get } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { followEvents } from '../shared/events.js';
import { clockOf, countOf } from '../shared/format.js';
import { t } from '../shared/language.js';
import { checkSession, showUser } from '../shared/user.js';
import { levelOf, levelWords, partView } from './level.js';
import { createTones } from './tones.js';

/** @import { StationEvent } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */
/** @import { StatisticsView } from '../../statistics/views.ts' */
/** @import { Level } from './level.js' */

const rateEveryMs = 10_000;
/** An older rate is marked as old, ms. */
const oldRateMs = 45_000;
/** The tone of a stop is repeated, ms. */
const repeatMs = 20_000;

const tones = createTones();
/** Newest result of each camera. @type {Map<string, Result>} */
const newest = new Map();
/** @type {StationEvent | undefined} */
let event;
let isConnected = false;
/** Clock of the agent minus clock of this browser, ms. */
let clockOffset = 0;
let heardAt = 0;
let rateAt = 0;
/** @type {Level} */
let level = 'waiting';
let soundedAt = 0;

const now = () => Date.now() + clockOffset;

function draw() {
  const said = event && isConnected ? levelOf(event) : undefined;
  const before = level;
  level = said?.level ?? (event || heardAt > 0 ? 'lost' : 'waiting');
  document.body.dataset.level = level;
  const { symbol, word } = levelWords[level];
  setText(byId('state-symbol'), symbol);
  setText(byId('state-word'), word);
  const lost = t('no answer from the agent since {time}', { time: clockOf(new Date(heardAt).toISOString()) });
  setText(byId('state-reason'), level === 'lost' ? lost : (said?.reason ?? ''));
  document.title = `${event?.station ?? ''} ${symbol} ${word}`.trim();
  drawParts();
  drawAge();
  sound(before);
}

function drawParts() {
  const cameras = isConnected ? (event?.cameras ?? []) : [];
  const place = byId('parts');
  while (place.childElementCount > cameras.length) place.lastElementChild?.remove();
  for (const [i, { name, up }] of cameras.entries()) {
    const tile = place.children[i] ?? place.appendChild(partTile());
    const { verdict, symbol, word, detail } = partView(newest.get(name), up, now());
    tile.setAttribute('data-verdict', verdict);
    const [symbolPlace, wordPlace, detailPlace] = tile.children;
    if (symbolPlace) setText(symbolPlace, symbol);
    if (wordPlace) setText(wordPlace, word);
    if (detailPlace) setText(detailPlace, cameras.length > 1 ? `${name} · ${detail}` : detail);
  }
}

const partTile = () =>
  h(
    'article',
    { class: 'andon-part' },
    h('span', { class: 'andon-symbol', 'aria-hidden': 'true' }),
    h('strong', { class: 'andon-word' }),
    h('span', { class: 'andon-detail' }),
  );

/** @param {Level} before */
function sound(before) {
  const isStopped = level === 'stopped' || level === 'lost';
  const wasStopped = before === 'stopped' || before === 'lost';
  if (!isStopped || (wasStopped && performance.now() - soundedAt < repeatMs)) return;
  soundedAt = performance.now();
  tones.play('stopped');
}

async function loadRate() {
  const at = now();
  const query = new URLSearchParams({
    by: 'shift',
    from: new Date(at - 1_000).toISOString(),
    to: new Date(at).toISOString(),
  });
  /** @type {StatisticsView | undefined} */
  const report = await get(`api/v1/statistics?${query}`).catch(() => undefined);
  const shift = report?.groups.at(-1);
  if (!report || !shift) return;
  rateAt = performance.now();
  const { name, from, rate, fail, judged, outside } = shift;
  setText(byId('rate'), rateOf(rate));
  const values = { fail: countOf(fail), judged: countOf(judged) };
  const note =
    judged > 0 ? t('{fail} of {judged} parts failed', values) : t('no part has been judged in this shift');
  setText(byId('rate-note'), note);
  const times = stationTimes(report.timeZone);
  setText(byId('rate-since'), t('{name} since {time}', { name, time: times.clock(from) }));
  byId('rate-mark').hidden = outside !== 'above';
  setText(byId('rate-mark'), outside === 'above' ? t('▲ more than chance explains') : '');
  drawAge();
}

/** A rate that is no longer read must not look current. */
function drawAge() {
  byId('rate-box').classList.toggle('is-old', rateAt > 0 && performance.now() - rateAt > oldRateMs);
}

/** The newest part of each camera from before the page was opened, or from while it was disconnected. */
async function loadNewest() {
  /** @type {Result[]} */
  const results = await get('api/v1/results?limit=50').catch(() => []);
  for (const result of results.toReversed()) take(result);
  draw();
}

/** @param {Result} result */
function take(result) {
  const before = newest.get(result.camera);
  if (!before || before.resultId < result.resultId) newest.set(result.camera, result);
}

async function toggleSound() {
  await tones.turn(!tones.isOn);
  const button = byId('sound');
  button.setAttribute('aria-pressed', String(tones.isOn));
  setText(button, tones.isOn ? t('Turn sound off') : t('Turn sound on'));
}

async function toggleFullScreen() {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await document.documentElement.requestFullscreen();
}

byId('sound').addEventListener('click', () => void toggleSound());
byId('full-screen').addEventListener('click', () => void toggleFullScreen().catch(() => undefined));
document.addEventListener('fullscreenchange', () =>
  setText(byId('full-screen'), document.fullscreenElement ? t('Leave full screen') : t('Full screen')),
);

await showUser();
followEvents('api/v1/events', {
  onConnection(isUp) {
    isConnected = isUp;
    // Also at the first attempt: a page that never had an answer says so.
    if (!isUp) {
      heardAt ||= Date.now();
      void checkSession();
    } else {
      void loadNewest();
      void loadRate();
    }
    draw();
  },
  onResult(result) {
    take(result);
    if (result.verdict === 'fail') tones.play('fail');
    draw();
    const { word, detail } = partView(newest.get(result.camera), true, now());
    if (result.verdict !== 'pass') setText(byId('announcer'), `${result.camera}: ${word}, ${detail}`);
  },
  /** @param {StationEvent} received */
  onStation(received) {
    event = received;
    heardAt = Date.now();
    clockOffset = received.at - Date.now();
    setText(byId('station-name'), received.station);
    draw();
  },
});
setInterval(draw, 500);
setInterval(() => void loadRate(), rateEveryMs);
