/** Shows one view at a time. The hash of the address names it, so that back, reload and links work. */

import { listed } from '../shared/format.js';
import { t } from '../shared/language.js';

/**
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {string} title
 * @property {(rest: string) => void} [show] called each time the view is opened; rest: the hash after the name
 * @property {(event: KeyboardEvent) => boolean} [onKey] true: the view used the key
 */

/**
 * @param {HTMLElement} nav links to `#name`
 * @param {Map<string, View>} views by name; the first is the default
 */
export function createTabs(nav, views) {
  const [first = ''] = views.keys();
  /** @type {View | undefined} */
  let current;
  for (const { element } of views.values()) element.tabIndex = -1;
  const follow = () => {
    const [asked = '', ...rest] = location.hash.slice(1).split('/');
    const name = views.has(asked) ? asked : first;
    const view = views.get(name);
    if (view && current !== view) {
      if (current) current.element.hidden = true;
      view.element.hidden = false;
      // The focus leaves the tab; otherwise Enter and Space would press the tab and not act in the view.
      if (current) view.element.focus({ preventScroll: true });
      current = view;
      document.title = listed(view.title, t('Calibration'));
      for (const tab of nav.querySelectorAll('a')) {
        if (tab.hash === `#${name}`) tab.setAttribute('aria-current', 'page');
        else tab.removeAttribute('aria-current');
      }
      scrollTo(0, 0);
    }
    view?.show?.(rest.join('/'));
  };
  addEventListener('hashchange', follow);
  follow();
  return {
    get current() {
      return current;
    },
  };
}
