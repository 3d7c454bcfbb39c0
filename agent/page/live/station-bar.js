/** The station's name and state at the top, and in plain words what is wrong. */
import { stateWords } from '../shared/verdicts.js';

export function createStationBar({ name, state, facts, banner }) {
  const set = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const showState = (value) => {
    const { word, symbol } = stateWords[value] ?? { word: value, symbol: '●' };
    state.dataset.state = value;
    set(state.querySelector('.state-symbol'), symbol);
    set(state.querySelector('.state-word'), word);
  };
  const showBanner = (text, kind) => {
    banner.hidden = text === '';
    banner.dataset.kind = kind;
    set(banner, text);
  };

  return {
    /** @param {{station: string, status: object}} event */
    show({ station, status }) {
      set(name, station);
      document.title = `${station} · ${stateWords[status.state]?.word ?? status.state}`;
      showState(status.state);
      set(facts, `recipe ${status.recipe} · model ${status.model} · agent ${status.version}`);
      showBanner(status.reasons.join(' · '), 'reason');
    },
    /** The agent is not heard: nothing here is live. */
    lost() {
      document.title = 'No connection to the agent';
      showState('lost');
      showBanner('No connection to the agent. What you see is old. Reconnecting …', 'lost');
    },
  };
}
