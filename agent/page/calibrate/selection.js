/** Which items of a list are selected. */

/** @param {() => readonly string[]} listed the ids in the order shown */
export function createSelection(listed) {
  /** @type {Set<string>} */
  const selected = new Set();
  /** Where a range begins. @type {string | undefined} */
  let anchor;
  return {
    /** Selected ids in the order shown. */
    get ids() {
      return listed().filter((id) => selected.has(id));
    },
    /** @param {string} id */
    has: (id) => selected.has(id),
    /** @param {string} id */
    toggle(id) {
      if (!selected.delete(id)) selected.add(id);
      anchor = id;
    },
    /** Selects the range from the item toggled last to this one. @param {string} id */
    extendTo(id) {
      const ids = listed();
      const from = Math.max(0, ids.indexOf(anchor ?? id));
      const to = ids.indexOf(id);
      for (const one of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) selected.add(one);
    },
    all() {
      for (const id of listed()) selected.add(id);
    },
    clear() {
      selected.clear();
      anchor = undefined;
    },
  };
}
