/**
 * The text that a person reads, with its values filled in. The English text is the key of its translation, so it is
 * written whole, with a `{name}` for each value, never joined from pieces.
 * @param {string} text
 * @param {Record<string, string | number>} [values]
 */
export function t(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => String(values[name] ?? placeholder));
}
