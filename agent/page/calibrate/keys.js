/** Keyboard shortcuts of the page. They are ignored while the user types or while a dialog is open. */

const typing = 'input, textarea, select, [contenteditable]';
const pressable = 'button, a, summary, [role=option]';

/** @param {(event: KeyboardEvent) => boolean | undefined} handle true: the key was used */
export function followKeys(handle) {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.altKey || event.metaKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest(typing) || document.querySelector('dialog[open]')) return;
    // Space and Enter press the element that has the focus.
    if ((event.key === ' ' || event.key === 'Enter') && target.closest(pressable)) return;
    if (handle(event)) event.preventDefault();
  });
}

/** Removes the focus from a button after a tap; otherwise the next Space would press it again. */
export function releaseFocusAfterTaps() {
  addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('button');
    if (button && event.detail > 0 && !button.closest('dialog')) button.blur();
  });
}
