/** Short messages on top of the page. Errors stay long enough to be read, notes for a moment. */
import { ApiError, errorText } from '../shared/api-client.js';
import { h } from '../shared/dom.js';
import { t } from '../shared/language.js';

/** @typedef {ReturnType<typeof createToasts>} Toasts */
/** @typedef {'error' | 'warn' | 'note'} Kind */

const errorMs = 12_000;
const noteMs = 4_000;
const maxToasts = 3;
/** @type {Record<Kind, string>} */
const symbols = { error: '✕', warn: '▲', note: '✓' };

/** @param {HTMLElement} list */
export function createToasts(list) {
  /** @param {Kind} kind @param {string} text */
  const add = (kind, text) => {
    // A message that is shown already is replaced, not repeated.
    for (const one of list.children) {
      if (one instanceof HTMLElement && one.dataset.text === text) one.remove();
    }
    const close = () => toast.remove();
    const toast = h(
      'div',
      { class: 'toast', role: kind === 'note' ? 'status' : 'alert', data: { kind, text } },
      h('span', { 'aria-hidden': 'true', class: 'toast-symbol' }, symbols[kind]),
      h('p', {}, text),
      h(
        'button',
        { class: 'toast-close', type: 'button', 'aria-label': t('Close this message'), onclick: close },
        '×',
      ),
    );
    list.append(toast);
    // Opened again, so that it is above a dialog that was opened meanwhile.
    if (list.matches(':popover-open')) list.hidePopover();
    list.showPopover();
    while (list.childElementCount > maxToasts) list.firstElementChild?.remove();
    setTimeout(close, kind === 'note' ? noteMs : errorMs);
  };
  return {
    /** @param {string} text */
    note: (text) => add('note', text),
    /** @param {unknown} error */
    error(error) {
      // The banner already reports a lost connection.
      if (error instanceof ApiError && error.code === 'link-lost') return;
      if (!(error instanceof ApiError)) console.error(error);
      add('error', errorText(error));
    },
    /** @param {string} text something the user should know, although nothing failed */
    warn: (text) => add('warn', text),
  };
}
