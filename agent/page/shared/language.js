/**
 * The language of the page. The English text is the key of its translation, so it is written whole, with a `{name}` for each
 * value, never joined from pieces. `languages/<tag>.json` has the translations; this module loads them before anything is
 * drawn, and translates the texts of the HTML file.
 */

/**
 * @typedef {object} Catalogue
 * @property {Record<string, string | Record<string, string>>} texts of the page; with one text for each plural form where the number matters
 * @property {Record<string, string>} server texts of the agent, with `{1}`, `{2}` … for what changes
 * @property {Record<string, string>} errors what happened, by error code
 */

const storageKey = 'qc-language';
const english = 'en';
const folder = new URL('../languages/', import.meta.url);
/** Attributes that a person reads. */
const attributes = ['aria-label', 'title', 'placeholder', 'alt'];

/** @param {string} file @returns {Promise<any>} undefined if the agent does not answer: the page then stays English */
async function load(file) {
  const response = await fetch(new URL(file, folder)).catch(() => undefined);
  return response?.ok ? response.json().catch(() => undefined) : undefined;
}

/** @param {string} tag */
const baseOf = (tag) => tag.split('-')[0] ?? tag;

function storedLanguage() {
  try {
    return localStorage.getItem(storageKey) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Languages of the page: English, and each file in the folder. @type {readonly string[]} */
export const languages = [english, ...((await load('index.json')) ?? [])];

/** The choice of the user on this browser, undefined to follow the browser's settings. */
export const chosenLanguage = languages.find((tag) => tag === storedLanguage());

/** The language of the page. */
export const language =
  chosenLanguage ??
  navigator.languages
    .map((tag) => languages.find((one) => one === tag) ?? languages.find((one) => one === baseOf(tag)))
    .find((tag) => tag !== undefined) ??
  english;

/** With the region of the browser if it fits: en-GB writes dates in another order than en-US. */
export const locale = navigator.languages.find((tag) => baseOf(tag) === baseOf(language)) ?? language;

/** @type {Catalogue} */
const catalogue = {
  texts: {},
  server: {},
  errors: {},
  ...(language === english ? {} : await load(`${language}.json`)),
};
const plurals = new Intl.PluralRules(language);
const englishPlurals = new Intl.PluralRules(english);
const numbers = new Intl.NumberFormat(locale);

/** Keeps the choice in this browser and loads the page again. @param {string | undefined} tag undefined: as the browser is set */
export function useLanguage(tag) {
  if (tag === undefined) localStorage.removeItem(storageKey);
  else localStorage.setItem(storageKey, tag);
  location.reload();
}

/** @typedef {Record<string, string | number>} Values */

/** @param {string} text @param {Values} values */
const fill = (text, values) =>
  text.replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name] ?? placeholder;
    return typeof value === 'number' ? numbers.format(value) : value;
  });

/**
 * The text in the language of the page, with its values filled in; numbers are written as in this language.
 * @param {string} text in English
 * @param {Values} [values]
 */
export function t(text, values = {}) {
  const found = catalogue.texts[text];
  return fill(typeof found === 'string' ? found : text, values);
}

/**
 * Like `t`, for a text that depends on a number, which it has as `{n}`. The translations are found by the text for many.
 * @param {string} one in English, for 1
 * @param {string} many in English, for other numbers
 * @param {number} n
 * @param {Values} [values]
 */
export function tn(one, many, n, values = {}) {
  const found = catalogue.texts[many];
  const own = typeof found === 'object' ? (found[plurals.select(n)] ?? found.other) : undefined;
  return fill(own ?? (englishPlurals.select(n) === 'one' ? one : many), { n, ...values });
}

/** @type {{pattern: RegExp, translation: string}[]} */
const patterns = Object.entries(catalogue.server).map(([text, translation]) => ({
  pattern: new RegExp(
    `^${text.replace(/[.*+?^$|()[\]\\]/g, '\\$&').replace(/\{\d+\}/g, '([\\s\\S]*?)')}$`,
    'i',
  ),
  translation,
}));

/** A text of the agent in the language of the page; in English if it has no translation. @param {string} text @returns {string} */
export function fromAgent(text) {
  for (const { pattern, translation } of patterns) {
    const found = pattern.exec(text);
    if (!found) continue;
    return translation.replace(/\{(\d+)\}/g, (_, i) => localNumbers(fromAgent(found[Number(i)] ?? '')));
  }
  return text;
}

/** Decimal points as in the language of the page. @param {string} text */
function localNumbers(text) {
  const [, number = '', unit = ''] = /^([+-]?\d+(?:\.\d+)?)( %)?$/.exec(text) ?? [];
  if (number === '') return text;
  const digits = number.split('.')[1]?.length ?? 0;
  const format = new Intl.NumberFormat(locale, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    useGrouping: false,
  });
  return `${format.format(Number(number))}${unit}`;
}

/** What happened, by its error code. @param {string} code @param {string} message in English, used if nothing is better */
export function errorMessage(code, message) {
  const own = fromAgent(message);
  return own === message ? (catalogue.errors[code] ?? message) : own;
}

/** Translates the texts and attributes below a node, also those in templates. @param {Node} root */
function translateTree(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node instanceof Element) {
      for (const name of attributes) {
        const text = node.getAttribute(name);
        if (text && node.getAttribute('translate') !== 'no') node.setAttribute(name, t(text));
      }
      if (node instanceof HTMLTemplateElement) translateTree(node.content);
    } else if (node.nodeValue && !node.parentElement?.closest('script, style, kbd, [translate=no]')) {
      const text = node.nodeValue.trim().replace(/\s+/g, ' ');
      const translated = text === '' ? text : t(text);
      if (translated !== text) node.nodeValue = node.nodeValue.replace(/\S[\s\S]*\S|\S/, () => translated);
    }
  }
}

document.documentElement.lang = language;
if (language !== english) translateTree(document);
