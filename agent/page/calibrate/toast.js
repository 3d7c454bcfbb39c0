/** Short messages on top of the page: errors until they are read, notes for a moment. */
import { ApiError } from '../shared/api-client.js';
import { h } from '../shared/dom.js';

const errorMs = 12_000;
const noteMs = 4_000;
const most = 3;
const symbols = { error: '✕', warn: '▲', note: '✓' };

/** @param {HTMLElement} list */
export function createToasts(list) {
  const add = (text, role, kind, ms) => {
    // The same words twice tell nothing new: the newer stays.
    for (const one of list.children) if (one.dataset.text === text) one.remove();
    const close = () => toast.remove();
    const toast = h(
      'div',
      { class: 'toast', role, data: { kind, text } },
      h('span', { 'aria-hidden': 'true', class: 'toast-symbol' }, symbols[kind]),
      h('p', {}, text),
      h(
        'button',
        { class: 'toast-close', type: 'button', 'aria-label': 'Close this message', onclick: close },
        '×',
      ),
    );
    list.append(toast);
    // On top of a question that may be open, too.
    if (list.matches(':popover-open')) list.hidePopover();
    list.showPopover();
    while (list.childElementCount > most) list.firstElementChild.remove();
    setTimeout(close, ms);
  };
  return {
    note: (text) => add(text, 'status', 'note', noteMs),
    /** @param {unknown} error */
    error(error) {
      // The banner already says that the link is lost.
      if (error instanceof ApiError && error.code === 'link-lost') return;
      if (!(error instanceof ApiError)) console.error(error);
      add(error instanceof ApiError ? error.words : String(error), 'alert', 'error', errorMs);
    },
    /** Something to know that is nobody's fault. */
    warn: (text) => add(text, 'alert', 'warn', errorMs),
  };
}
