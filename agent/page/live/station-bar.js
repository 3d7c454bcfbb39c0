/** The header: name and state of the station, and a banner that says what is wrong. */
import { find, h, setText } from '../shared/dom.js';
import { listed } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';
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
      const model = status.model === 'none' ? t('no model') : t('model {version}', { version: status.model });
      const recipe = t('recipe {name}', { name: status.recipe ?? '–' });
      setText(facts, listed(recipe, model, t('agent {version}', { version: status.version })));
      if (shown === 'untrained') {
        const link = h('a', { href: 'calibrate.html' }, t('Open Calibrate'));
        showBanner('setup', `${t('No model has been trained yet, so every part is uncertain.')} `, link);
      } else showBanner(status.reasons.length > 0 ? 'reason' : '', listed(...status.reasons.map(fromAgent)));
    },
    showLost() {
      document.title = t('No connection to the agent');
      showState('lost');
      showBanner(
        'lost',
        t('No connection to the agent. This page shows the last known values. Reconnecting …'),
      );
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
