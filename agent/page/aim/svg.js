/** Creates SVG elements for small charts. */

/** @typedef {SVGElement | string | false | null | undefined} Child */

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Child} children `false`, `null` and `undefined` add nothing
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children.flatMap((child) => child || []));
  return element;
}
