/** The operator's page: follows the agent and hands each event to the parts of the page that show it. */

import { followEvents } from '../shared/events.js';
import { checkSession, meetPerson } from '../shared/user.js';
import { labelOf, verdictWords } from '../shared/verdicts.js';
import { createCameraCard } from './camera-card.js';
import { createPartsStrip } from './parts-strip.js';
import { createStationBar } from './station-bar.js';

const byId = (id) => document.getElementById(id);
const bar = createStationBar({
  name: byId('station-name'),
  state: byId('state'),
  facts: byId('facts'),
  banner: byId('banner'),
});
const strip = createPartsStrip(byId('strip'), byId('strip-part'), byId('strip-empty'));
const templates = { card: byId('camera-card'), labelShare: byId('label-share') };
/** @type {Map<string, ReturnType<typeof createCameraCard>>} */
const cards = new Map();
let isLinked = false;
let isPastMissing = true;
/** What to add to this browser's clock to get the agent's, ms. */
let clockOffset = 0;

function showCameras(cameras) {
  const names = new Set(cameras.map((camera) => camera.name));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    card.element.remove();
    cards.delete(name);
  }
  for (const camera of cameras) {
    if (!cards.has(camera.name)) {
      const card = createCameraCard(templates, camera.name);
      cards.set(camera.name, card);
      byId('cameras').append(card.element);
    }
    cards.get(camera.name).showCamera(camera);
  }
  byId('cameras').dataset.count = String(Math.min(cameras.length, 3));
}

/** Results that came while the past was asked for: its answer may be older than they are. */
let cameMeanwhile;

/** What was judged before this page looked, or while it could not. */
async function showPast() {
  const came = [];
  cameMeanwhile = came;
  const response = await fetch('api/v1/results?limit=24').catch(() => undefined);
  const past = response?.ok ? (await response.json()).reverse() : undefined;
  if (cameMeanwhile === came) cameMeanwhile = undefined;
  if (!past) return;
  const newer = came.filter(({ resultId }) => !past.some((one) => one.resultId === resultId));
  strip.clear();
  for (const result of [...past, ...newer]) {
    strip.add(result);
    const card = cards.get(result.camera);
    // Meanwhile a newer one may have come.
    if (card && !(card.newestId > result.resultId)) card.showResult(result);
  }
}

function tick() {
  for (const card of cards.values()) card.tick(Date.now() + clockOffset, isLinked);
}

let saidAt = 0;
/** For those who listen: a bad part at once, the rest once in a while. */
function announce(result) {
  if (result.verdict === 'pass' && performance.now() - saidAt < 10_000) return;
  if (performance.now() - saidAt < 2_000) return;
  saidAt = performance.now();
  byId('announcer').textContent =
    `${result.camera}: ${verdictWords[result.verdict].word}, ${labelOf(result)}`;
}

await meetPerson();
followEvents('api/v1/events', {
  onLink(up) {
    isLinked = up;
    if (!up) {
      isPastMissing = true;
      bar.lost();
      void checkSession();
    }
    tick();
  },
  onEvent(name, data) {
    if (name === 'result') {
      strip.add(data);
      cameMeanwhile?.push(data);
      cards.get(data.camera)?.showResult(data);
      announce(data);
    } else {
      clockOffset = data.at - Date.now();
      bar.show(data);
      showCameras(data.cameras);
      if (isPastMissing) void showPast();
      isPastMissing = false;
    }
    tick();
  },
});
setInterval(tick, 500);
