/** One view at a time, named by the hash, so that back, reload and links work. */

/**
 * @typedef {{element: HTMLElement, title: string, show?: (rest: string) => void,
 *   onKey?: (event: KeyboardEvent) => boolean}} View onKey: true where it was meant for the view
 * @param {HTMLElement} nav links to `#name` @param {Record<string, View>} views the first is the one to begin with
 */
export function createTabs(nav, views) {
  let current;
  for (const { element } of Object.values(views)) element.tabIndex = -1;
  const follow = () => {
    const [asked, ...rest] = location.hash.slice(1).split('/');
    const name = Object.hasOwn(views, asked) ? asked : Object.keys(views)[0];
    if (current !== name) {
      const isFirst = current === undefined;
      if (!isFirst) views[current].element.hidden = true;
      current = name;
      views[name].element.hidden = false;
      // Away from the tab, or Enter and Space would press it instead of what the view means by them.
      if (!isFirst) views[name].element.focus({ preventScroll: true });
      document.title = `${views[name].title} · Calibration`;
      for (const tab of nav.querySelectorAll('a')) {
        if (tab.hash === `#${name}`) tab.setAttribute('aria-current', 'page');
        else tab.removeAttribute('aria-current');
      }
      scrollTo(0, 0);
    }
    views[name].show?.(rest.join('/'));
  };
  addEventListener('hashchange', follow);
  follow();
  return {
    get current() {
      return views[current];
    },
  };
}
