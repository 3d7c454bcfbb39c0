/** Which of a list of frames are selected: by tap, by range, all. Knows nothing of the page. */

/** @param {() => readonly string[]} idsShown in their order */
export function createSelection(idsShown) {
  const selected = new Set();
  /** Where a range begins. */
  let anchor;
  return {
    get ids() {
      return idsShown().filter((id) => selected.has(id));
    },
    has: (id) => selected.has(id),
    toggle(id) {
      if (!selected.delete(id)) selected.add(id);
      anchor = id;
    },
    /** From the last one that was tapped up to this one. */
    extendTo(id) {
      const ids = idsShown();
      const from = Math.max(0, ids.indexOf(anchor ?? id));
      const to = ids.indexOf(id);
      for (const one of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) selected.add(one);
    },
    all() {
      for (const id of idsShown()) selected.add(id);
    },
    clear() {
      selected.clear();
      anchor = undefined;
    },
  };
}
