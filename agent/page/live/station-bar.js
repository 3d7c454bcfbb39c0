/** The header: name and state of the station, and a banner that says what is wrong. */
import { find, h, setText } from '../shared/dom.js';
import { stateWords } from '../shared/verdicts.js';

/** @import { Status } from '../../publish/messages.ts' */
/** @import { ShownState } from '../shared/verdicts.js' */
/** @import { Child } from '../shared/dom.js' */

/** @param {{name: HTMLElement, state: HTMLElement, facts: HTMLElement, banner: HTMLElement}} elements */
export function createStationBar({ name, state, facts, banner }) {
  /** @param {ShownState} value */
  const showState = (value) => {
    const { word, symbol } = stateWords[value];
    state.dataset.state = value;
    setText(find(state, '.state-symbol'), symbol);
    setText(find(state, '.state-word'), word);
  };
  /** @param {'' | 'reason' | 'setup' | 'lost'} kind empty: hidden @param {string} text @param {...Child} more */
  const showBanner = (kind, text, ...more) => {
    banner.hidden = kind === '';
    // Written only when it changes: the banner is an alert, which a screen reader would repeat.
    if (banner.dataset.kind === kind && banner.dataset.text === text) return;
    banner.dataset.kind = kind;
    banner.dataset.text = text;
    banner.replaceChildren(text, ...more.filter((child) => child instanceof Node));
  };

  return {
    /** @param {{station: string, status: Status}} event */
    show({ station, status }) {
      const shown = shownState(status);
      setText(name, station);
      document.title = `${station} · ${stateWords[shown].word}`;
      showState(shown);
      const model = status.model === 'none' ? 'no model' : `model ${status.model}`;
      setText(facts, `recipe ${status.recipe ?? '–'} · ${model} · agent ${status.version}`);
      if (shown === 'untrained') {
        const link = h('a', { href: 'calibrate.html' }, 'Open Calibrate');
        showBanner('setup', 'No model has been trained yet, so every part is uncertain. ', link);
      } else showBanner(status.reasons.length > 0 ? 'reason' : '', status.reasons.join(' · '));
    },
    showLost() {
      document.title = 'No connection to the agent';
      showState('lost');
      showBanner('lost', 'No connection to the agent. This page shows the last known values. Reconnecting …');
    },
  };
}

/**
 * A station that only lacks a trained model works correctly: it is not shown as degraded. @param {Status} status @returns
 * {ShownState}
 */
function shownState({ state, model, reasons }) {
  return state === 'degraded' && model === 'none' && reasons.length === 1 ? 'untrained' : state;
}
