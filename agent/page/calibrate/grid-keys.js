/** A list in rows and columns: one entry has the focus, arrow keys move it, Space and taps select. */

/**
 * @param {HTMLElement} list of elements with `data-id`
 * @param {{onTap: (id: string, isRange: boolean) => void, onOpen: (id: string) => void}} handlers
 */
export function followGrid(list, { onTap, onOpen }) {
  let active;
  const items = () => [...list.children];
  const activate = (item, isFocused = true) => {
    active = item?.dataset.id;
    for (const one of list.children) one.tabIndex = one === item ? 0 : -1;
    if (isFocused) item?.focus();
  };
  const current = () => items().find((one) => one.dataset.id === active) ?? items()[0];
  const columns = () => {
    const all = items();
    const below = all.findIndex((one) => one.offsetTop > all[0].offsetTop);
    return below < 0 ? all.length : below;
  };
  const target = (key) => {
    const all = items();
    const at = all.indexOf(current());
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }[key];
    if (by !== undefined) return all[at + by] ?? all[at];
    return { Home: all[0], End: all.at(-1) }[key];
  };

  list.addEventListener('click', (event) => {
    const item = event.target.closest('[data-id]');
    if (!item) return;
    activate(item);
    onTap(item.dataset.id, event.shiftKey);
  });
  list.addEventListener('dblclick', (event) => {
    const item = event.target.closest('[data-id]');
    if (item) onOpen(item.dataset.id);
  });
  list.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || items().length === 0) return;
    const to = target(event.key);
    if (to) {
      activate(to);
      if (event.shiftKey) onTap(to.dataset.id, true);
    } else if (event.key === ' ') onTap(current().dataset.id, event.shiftKey);
    else if (event.key === 'Enter') onOpen(current().dataset.id);
    else return;
    event.preventDefault();
  });

  return {
    get activeId() {
      return current()?.dataset.id;
    },
    focus: () => activate(current()),
    /** After the list has changed: exactly one entry is reached by Tab. */
    settle: () => activate(current(), false),
  };
}
