/** Orders labels for their buttons: the most used first, then groups of labels whose names begin alike. */

/** @import { Label } from './overview.js' */

/** Fewer labels than this are shown as they are. */
export const minToGroup = 10;
const favourites = 9;
const minGroup = 3;

/**
 * @typedef {object} LabelGroup
 * @property {'favourites' | 'prefix' | 'others'} kind
 * @property {string} prefix that all names of the group begin with, empty unless `kind` is `prefix`
 * @property {{label: Label, text: string}[]} items text: the name without the prefix
 */

/** @param {readonly Label[]} labels @returns {LabelGroup[]} */
export function groupLabels(labels) {
  const whole = (/** @type {Label} */ label) => ({ label, text: label.name });
  if (labels.length < minToGroup) return [{ kind: 'others', prefix: '', items: labels.map(whole) }];
  const mostUsed = [...labels].sort((a, b) => b.count - a.count).slice(0, favourites);
  const rest = labels.filter((label) => !mostUsed.includes(label));
  /** @type {Map<string, Label[]>} */
  const byWord = new Map();
  for (const label of rest) {
    const word = wordsOf(label.name)[0] ?? '';
    byWord.set(word, [...(byWord.get(word) ?? []), label]);
  }
  /** @type {LabelGroup[]} */
  const groups = [];
  /** @type {Label[]} */
  const others = [];
  for (const members of byWord.values()) {
    const prefix = members.length < minGroup ? '' : commonPrefix(members.map(({ name }) => name));
    if (prefix === '') others.push(...members);
    else {
      const items = members.map((label) => ({ label, text: label.name.slice(prefix.length) }));
      groups.push({ kind: 'prefix', prefix: prefix.trim(), items });
    }
  }
  return [
    { kind: 'favourites', prefix: '', items: mostUsed.map(whole) },
    ...groups,
    ...(others.length > 0
      ? [/** @type {LabelGroup} */ ({ kind: 'others', prefix: '', items: others.map(whole) })]
      : []),
  ];
}

/** Words with the space or hyphen after them. @param {string} name */
const wordsOf = (name) => name.match(/[^\s_-]+[\s_-]*/g) ?? [name];

/** The words that all names begin with, leaving at least one word of each. @param {readonly string[]} names */
function commonPrefix(names) {
  const [first = [], ...others] = names.map(wordsOf);
  let count = 0;
  while (
    count < first.length - 1 &&
    others.every((words) => words[count] === first[count] && words.length > count + 1)
  ) {
    count++;
  }
  return first.slice(0, count).join('');
}
