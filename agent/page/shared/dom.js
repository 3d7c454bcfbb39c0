/** Builds elements. Text stays text: nothing that came from elsewhere is ever read as HTML. */

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [props] attributes; `onclick` and the like are listeners, `data` the dataset
 * @param {...(Node | string | number | false | null | undefined)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(
    ...children.flat().filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

/** Writes only what changed: text that is written again is read out again, and loses the selection. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const byId = (id) => document.getElementById(id);
