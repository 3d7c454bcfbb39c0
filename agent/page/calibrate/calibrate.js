/** The calibration page: creates the views and connects them to the agent. */
import { connection } from '../shared/api-client.js';
import { browserId } from '../shared/browser-id.js';
import { byId, find, setText } from '../shared/dom.js';
import { followEvents } from '../shared/events.js';
import { t } from '../shared/language.js';
import { showUser, user } from '../shared/user.js';
import { stateWords } from '../shared/verdicts.js';
import { createBasesView } from './bases-view.js';
import { createChanges } from './changes.js';
import { createDoctorView } from './doctor-view.js';
import { createGallery } from './gallery-view.js';
import { createGoodStart } from './good-start.js';
import { createHistoryView } from './history-view.js';
import { followKeys, releaseFocusAfterTaps } from './keys.js';
import { createLabelView } from './label-view.js';
import { createMisfitPanel } from './misfit-panel.js';
import { createOverviewStore } from './overview.js';
import { createStudyView } from './study-view.js';
import { createTabs } from './tabs.js';
import { createToasts } from './toast.js';
import { createTrainView } from './train-view.js';

/** @param {'' | 'reason' | 'lost'} kind empty: hidden */
function showBanner(kind, text = '') {
  byId('banner').hidden = kind === '';
  byId('banner').dataset.kind = kind;
  setText(byId('banner'), text);
}

/** @param {'calibrating' | 'inspecting' | 'lost'} state */
function showState(state) {
  const { word, symbol } = stateWords[state];
  byId('mode').dataset.state = state;
  setText(find(byId('mode'), '.state-symbol'), symbol);
  setText(find(byId('mode'), '.state-word'), word);
}

const toasts = createToasts(byId('toasts'));
/** @param {string} text */
const announce = (text) => setText(byId('announcer'), text);
const hideLoading = () => {
  byId('loading').hidden = true;
};
const overview = createOverviewStore({
  onMissing() {
    hideLoading();
    showBanner('reason', t('This station has no calibration.'));
  },
});
const tools = { overview, toasts, announce, changes: createChanges({ overview, toasts }) };

overview.subscribe(({ calibrating, active, waiting, frames, training, candidate }) => {
  showState(calibrating ? 'calibrating' : 'inspecting');
  setText(byId('facts'), active ? t('active model {version}', { version: active }) : t('no active model'));
  setText(byId('badge-label'), waiting > 0 ? String(waiting) : '');
  setText(byId('badge-gallery'), frames > 0 ? String(frames) : '');
  setText(byId('badge-train'), training.state === 'running' ? '…' : candidate ? '●' : '');
});
createMisfitPanel(tools);
createGoodStart(tools);
connection.onChange((isUp) => {
  if (isUp) showBanner('');
  else {
    showState('lost');
    showBanner('lost', t('No connection to the agent. Changes are not possible now. Reconnecting …'));
  }
});

await showUser();
void overview.refresh();
await overview.ready;
hideLoading();
const labelView = createLabelView(tools);
const tabs = createTabs(
  byId('tabs'),
  new Map(
    Object.entries({
      label: labelView,
      gallery: createGallery(tools),
      doctor: createDoctorView(tools),
      train: createTrainView(tools),
      history: createHistoryView(tools),
      study: createStudyView(tools),
      bases: createBasesView(tools),
    }),
  ),
);
// When this stream ends, the agent offers the parts reserved for this browser to others.
followEvents(`api/v1/events?only=labelling&client=${browserId}`, {
  onStation: ({ station }) => setText(byId('station-name'), station),
  onAnswer: labelView.answered,
});
/** A viewer may use the keys that change nothing. @param {KeyboardEvent} event */
const changesNothing = ({ key, ctrlKey }) =>
  ctrlKey || key === 'Escape' || key === 'w' || key.startsWith('Arrow');
followKeys((event) => (user.canChange || changesNothing(event)) && tabs.current?.onKey?.(event));
releaseFocusAfterTaps();
