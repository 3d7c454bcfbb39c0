/** Keyboard control of a grid: one item has the focus, arrow keys move it, Space and taps select, Enter opens. */
import { closest } from '../shared/dom.js';

/**
 * @param {HTMLElement} list of elements with `data-id`
 * @param {{onTap: (id: string, isRange: boolean) => void, onOpen: (id: string) => void}} handlers
 */
export function followGrid(list, { onTap, onOpen }) {
  /** @type {string | undefined} */
  let active;
  const items = () => /** @type {HTMLElement[]} */ ([...list.children]);
  /** @param {HTMLElement} item */
  const idOf = (item) => item.dataset.id ?? '';
  /** @param {HTMLElement | undefined} item */
  const activate = (item, isFocused = true) => {
    active = item && idOf(item);
    for (const one of items()) one.tabIndex = one === item ? 0 : -1;
    if (isFocused) item?.focus();
  };
  const current = () => items().find((one) => idOf(one) === active) ?? items()[0];
  const columns = () => {
    const all = items();
    const below = all.findIndex((one) => one.offsetTop > (all[0]?.offsetTop ?? 0));
    return below < 0 ? all.length : below;
  };
  /** @param {string} key */
  const targetOf = (key) => {
    const all = items();
    const focused = current();
    const at = focused ? all.indexOf(focused) : 0;
    switch (key) {
      case 'ArrowLeft':
        return all[at - 1] ?? all[at];
      case 'ArrowRight':
        return all[at + 1] ?? all[at];
      case 'ArrowUp':
        return all[at - columns()] ?? all[at];
      case 'ArrowDown':
        return all[at + columns()] ?? all[at];
      case 'Home':
        return all[0];
      case 'End':
        return all.at(-1);
      default:
        return undefined;
    }
  };

  list.addEventListener('click', (event) => {
    const item = closest(event, '[data-id]');
    if (!item) return;
    activate(item);
    onTap(idOf(item), event.shiftKey);
  });
  list.addEventListener('dblclick', (event) => {
    const item = closest(event, '[data-id]');
    if (item) onOpen(idOf(item));
  });
  list.addEventListener('keydown', (event) => {
    const focused = current();
    if (event.ctrlKey || event.altKey || event.metaKey || !focused) return;
    const target = targetOf(event.key);
    if (target) {
      activate(target);
      if (event.shiftKey) onTap(idOf(target), true);
    } else if (event.key === ' ') onTap(idOf(focused), event.shiftKey);
    else if (event.key === 'Enter') onOpen(idOf(focused));
    else return;
    event.preventDefault();
  });

  return {
    /** @returns {string | undefined} */
    get activeId() {
      const focused = current();
      return focused && idOf(focused);
    },
    focus: () => activate(current()),
    /** Call after the list has changed: makes exactly one item reachable by Tab. */
    settle: () => activate(current(), false),
  };
}
