/** The calibration page: the parts list. Each view shows the agent's state and changes it through the API. */
import { link } from '../shared/api-client.js';
import { browserId } from '../shared/browser-id.js';
import { byId, setText } from '../shared/dom.js';
import { followEvents } from '../shared/events.js';
import { meetPerson, person } from '../shared/user.js';
import { stateWords } from '../shared/verdicts.js';
import { createChanges } from './changes.js';
import { createDoctorView } from './doctor-view.js';
import { createGallery } from './gallery-view.js';
import { createHistoryView } from './history-view.js';
import { followKeys, releaseFocusAfterTaps } from './keys.js';
import { createLabelView } from './label-view.js';
import { createStore } from './overview.js';
import { createTabs } from './tabs.js';
import { createToasts } from './toast.js';
import { createTrainView } from './train-view.js';

function showBanner(text, kind) {
  byId('banner').hidden = text === '';
  byId('banner').dataset.kind = kind;
  setText(byId('banner'), text);
}

function showMode(state) {
  const { word, symbol } = stateWords[state];
  byId('mode').dataset.state = state;
  setText(byId('mode').querySelector('.state-symbol'), symbol);
  setText(byId('mode').querySelector('.state-word'), word);
}

const toasts = createToasts(byId('toasts'));
const say = (text) => setText(byId('announcer'), text);
const store = createStore({
  onMissing() {
    byId('asking')?.remove();
    showBanner('This agent has no calibration.', 'reason');
  },
});
const tools = { store, toasts, say, changes: createChanges({ store, toasts }) };

store.subscribe(({ calibrating, active, waiting, frames, training, candidate }) => {
  showMode(calibrating ? 'calibrating' : 'inspecting');
  setText(byId('facts'), active ? `active ${active}` : 'no active head');
  setText(byId('badge-label'), waiting > 0 ? String(waiting) : '');
  setText(byId('badge-gallery'), frames > 0 ? String(frames) : '');
  setText(byId('badge-train'), training.state === 'running' ? '…' : candidate ? '●' : '');
});
link.onChange((isUp) => {
  if (isUp) showBanner('', '');
  else {
    showMode('lost');
    showBanner('No connection to the agent. Nothing can be changed now. Reconnecting …', 'lost');
  }
});

await meetPerson();
void store.refresh();
await store.ready;
byId('asking')?.remove();
const labelView = createLabelView(tools);
const tabs = createTabs(byId('tabs'), {
  label: labelView,
  gallery: createGallery(tools),
  doctor: createDoctorView(tools),
  train: createTrainView(tools),
  history: createHistoryView(tools),
});
// When this stream ends, the agent offers the parts of this browser to others.
followEvents(`api/v1/events?only=labelling&client=${browserId}`, {
  onLink: () => undefined,
  onEvent(name, data) {
    if (name === 'station') setText(byId('station-name'), data.station);
    else if (name === 'answer') labelView.answered(data);
  },
});
/** Keys that change nothing. */
const isHarmless = ({ key, ctrlKey }) =>
  ctrlKey || key === 'Escape' || key === 'w' || key.startsWith('Arrow');
followKeys((event) => (person.canChange || isHarmless(event)) && tabs.current.onKey?.(event));
releaseFocusAfterTaps();
