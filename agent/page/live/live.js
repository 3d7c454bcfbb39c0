/** The live page: follows the agent's events and passes each one to the parts of the page that show it. */
import { byId } from '../shared/dom.js';
import { followEvents } from '../shared/events.js';
import { explanation, terms } from '../shared/help.js';
import { t } from '../shared/language.js';
import { checkSession, showUser } from '../shared/user.js';
import { labelOf, verdictWords } from '../shared/verdicts.js';
import { createCameraCard } from './camera-card.js';
import { createChallengePanel } from './challenge-panel.js';
import { createPartsStrip } from './parts-strip.js';
import { createStationBar } from './station-bar.js';

/** @import { CameraWithCounts, StationEvent } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */

const bar = createStationBar({
  name: byId('station-name'),
  state: byId('state'),
  facts: byId('facts'),
  banner: byId('banner'),
});
const challenge = createChallengePanel(byId('challenge'));
const strip = createPartsStrip(byId('strip'), byId('strip-part', HTMLTemplateElement), byId('strip-empty'));
const templates = {
  card: byId('camera-card', HTMLTemplateElement),
  probability: byId('label-probability', HTMLTemplateElement),
};
/** @type {Map<string, ReturnType<typeof createCameraCard>>} */
const cards = new Map();
let isConnected = false;
let needsHistory = true;
/** Clock of the agent minus clock of this browser, ms. */
let clockOffset = 0;

/** @param {readonly CameraWithCounts[]} cameras */
function showCameras(cameras) {
  const names = new Set(cameras.map((camera) => camera.name));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    card.element.remove();
    cards.delete(name);
  }
  for (const camera of cameras) {
    const card = cards.get(camera.name) ?? addCard(camera.name);
    card.showCamera(camera);
  }
  byId('cameras').dataset.count = String(Math.min(cameras.length, 3));
}

/** @param {string} name */
function addCard(name) {
  const card = createCameraCard(templates, name);
  cards.set(name, card);
  byId('cameras').append(card.element);
  return card;
}

/**
 * Results that arrived while the history was loading; the history may be older than they are.
 * @type {Result[] | undefined}
 */
let arrivedMeanwhile;

/** Shows the results from before the page was opened, or from while it was disconnected. */
async function showHistory() {
  /** @type {Result[]} */
  const arrived = [];
  arrivedMeanwhile = arrived;
  const response = await fetch('api/v1/results?limit=24').catch(() => undefined);
  /** @type {Result[] | undefined} oldest first */
  const history = response?.ok ? (await response.json()).reverse() : undefined;
  if (arrivedMeanwhile === arrived) arrivedMeanwhile = undefined;
  if (!history) return;
  const newer = arrived.filter(({ resultId }) => !history.some((one) => one.resultId === resultId));
  strip.clear();
  for (const result of [...history, ...newer]) {
    strip.add(result);
    const card = cards.get(result.camera);
    // A newer result may have arrived by event.
    if (card && !(card.newestId !== undefined && card.newestId > result.resultId)) card.showResult(result);
  }
}

function tick() {
  for (const card of cards.values()) card.tick(Date.now() + clockOffset, isConnected);
}

let announcedAt = 0;
/** Announces to screen readers: a part that did not pass at once, other parts at intervals. @param {Result} result */
function announce(result) {
  const elapsed = performance.now() - announcedAt;
  if (elapsed < (result.verdict === 'pass' ? 10_000 : 2_000)) return;
  announcedAt = performance.now();
  byId('announcer').textContent = t('{camera}: {verdict}, {label}', {
    camera: result.camera,
    verdict: verdictWords[result.verdict].word,
    label: labelOf(result),
  });
}

byId('recent-title').after(explanation(terms.threshold(), terms.uncertain(), terms.unfamiliar()));
await showUser();
followEvents('api/v1/events', {
  onConnection(isUp) {
    isConnected = isUp;
    if (!isUp) {
      needsHistory = true;
      bar.showLost();
      void checkSession();
    }
    tick();
  },
  onResult(result) {
    strip.add(result);
    arrivedMeanwhile?.push(result);
    cards.get(result.camera)?.showResult(result);
    announce(result);
    tick();
  },
  /** @param {StationEvent} event */
  onStation(event) {
    clockOffset = event.at - Date.now();
    bar.show(event);
    challenge.show(event.status.challenge);
    showCameras(event.cameras);
    if (needsHistory) void showHistory();
    needsHistory = false;
    tick();
  },
});
setInterval(tick, 500);
