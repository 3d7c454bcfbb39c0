/** Creates and finds elements. Text is always added as text and never parsed as HTML. */

/** @typedef {Node | string | number | false | null | undefined} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [props] attributes; `onclick` and the like are listeners, `data` is the dataset
 * @param {...Child} children `false`, `null` and `undefined` add nothing
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (name === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/**
 * Writes a text only if it has changed: a screen reader reads a text again each time it is written, and the user's
 * selection is lost.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @template {Element} [Kind=HTMLElement]
 * @param {string} id
 * @param {new () => Kind} [kind] the class that the element must have
 * @returns {Kind}
 * @throws {Error} if the page has no such element
 */
export function byId(id, kind) {
  return checked(document.getElementById(id), `#${id}`, kind);
}

/**
 * @template {Element} [Kind=HTMLElement]
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => Kind} [kind] the class that the element must have
 * @returns {Kind}
 * @throws {Error} if there is no such element below the parent
 */
export function find(parent, selector, kind) {
  return checked(parent.querySelector(selector), selector, kind);
}

/**
 * @param {HTMLTemplateElement} template
 * @returns {HTMLElement} a copy of its content
 */
export function copyOf(template) {
  return checked(
    template.content.firstElementChild?.cloneNode(true),
    `content of ${template.id}`,
    HTMLElement,
  );
}

/**
 * @template {Element} Kind
 * @param {Node | null | undefined} found
 * @param {string} name
 * @param {(new () => Kind) | undefined} kind
 * @returns {Kind}
 */
function checked(found, name, kind) {
  if (!(found instanceof (kind ?? HTMLElement))) throw new Error(`the page has no ${name} of this kind`);
  return /** @type {Kind} */ (/** @type {unknown} */ (found));
}

/**
 * The element that an event comes from, or the nearest one around it that fits the selector.
 * @param {Event} event
 * @param {string} selector
 */
export function closest(event, selector) {
  return event.target instanceof Element
    ? /** @type {HTMLElement | null} */ (event.target.closest(selector))
    : null;
}
