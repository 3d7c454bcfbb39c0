/** Keys that mean something to the whole page, never while somebody types or presses a button with them. */

const typing = 'input, textarea, select, [contenteditable]';
const pressed = 'button, a, summary, [role=option]';

/** @param {(event: KeyboardEvent) => boolean | undefined} handle true: it was taken */
export function followKeys(handle) {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.altKey || event.metaKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest(typing) || document.querySelector('dialog[open]')) return;
    // Space and Enter press what has the focus.
    if ((event.key === ' ' || event.key === 'Enter') && target.closest(pressed)) return;
    if (handle(event)) event.preventDefault();
  });
}

/** After a tap the focus must not stay on the button, or the next Space would press it again. */
export function releaseFocusAfterTaps() {
  addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('button');
    if (button && event.detail > 0 && !button.closest('dialog')) button.blur();
  });
}
