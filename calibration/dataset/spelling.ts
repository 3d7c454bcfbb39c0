/** Finds labels that differ only in spelling, and labels that mean good but are not configured as good. */
import { twinOf } from '../../config/label-name.ts';

export interface SpellingIssue {
  /** `spelling` and `means-good` give parts a wrong label; `typo` may be intended. */
  readonly kind: 'spelling' | 'means-good' | 'unclear' | 'typo';
  readonly label: string;
  /** The label that was probably intended. */
  readonly other?: string;
  readonly text: string;
}

const goodWords = new Set(
  'good ok okay pass passed normal nodefect nodefects defectfree nondefective undamaged accept accepted io gut bon bueno buono conform conforme 合格 良品 正常'.split(
    ' ',
  ),
);
/** `ok_front`, `good part`: the word among others, but not `not good` and `no pass`. */
const goodWord = /(?:^|[^\p{L}])(?:good|ok|okay|normal|passed)(?:$|[^\p{L}])/iu;
const notWord =
  /(?:^|[^\p{L}])(?:not|no|non|never|un|in|ab|bad|ng|nok|fail|failed|defect|defective)(?:$|[^\p{L}])/iu;
/** The meaning of a number or of yes is unknown. */
const unclear = /^(?:[+-]?\d+(?:\.\d+)?|true|false|yes|no|y|n|none|null|nan|n\/a|unknown|unlabell?ed)$/i;

/** Equal for labels that a person would read as the same: `Missing Screw`, `missing_screw`, `MISSING-SCREW`. */
export const spellingKey = (label: string) =>
  label
    .normalize('NFKC')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/[\s_.\-–—]+/g, '');

export const meansGood = (label: string) =>
  goodWords.has(spellingKey(label)) || (goodWord.test(label) && !notWord.test(label));

/**
 * @param labels labels to check, with the number of their images
 * @param good `labels.good` of the configuration
 * @param existing labels of the dataset: they are compared, but not reported
 * @param confirmed labels that were confirmed as intended; still reported if they differ only in case
 */
export function spellingIssues(
  labels: ReadonlyMap<string, number>,
  {
    good,
    existing = [],
    confirmed = new Set(),
  }: {
    readonly good: readonly string[];
    readonly existing?: readonly string[];
    readonly confirmed?: ReadonlySet<string>;
  },
): SpellingIssue[] {
  const issues: SpellingIssue[] = [];
  const known = new Set([...good, ...existing]);
  const settled = [...new Set([...known, ...labels.keys()])];
  const countOf = (label: string) => (known.has(label) ? Number.POSITIVE_INFINITY : (labels.get(label) ?? 0));
  for (const [label, count] of labels) {
    if (known.has(label)) continue;
    const images = `${shown(label)} (${count} ${count === 1 ? 'image' : 'images'})`;
    const asGood = meansGood(label) ? good[0] : undefined;
    const say = (kind: SpellingIssue['kind'], text: string, other?: string) =>
      issues.push({ kind, label, text: `${images} ${text}`, ...(other !== undefined && { other }) });
    const named = (other: string) =>
      good.includes(other) ? `${shown(other)}, which means good` : shown(other);
    // Of two new spellings, the rarer one is reported.
    const twin = settled
      .filter((other) => other !== label && spellingKey(other) === spellingKey(label))
      .sort((a, b) => countOf(b) - countOf(a))
      .find((other) => countOf(other) > count || (countOf(other) === count && other < label));
    if (confirmed.has(label) && !(twin !== undefined && twinOf(label, [twin]) === twin)) continue;
    const near = settled.find((other) => isTypo(label, other));
    if (twin !== undefined)
      say(
        'spelling',
        `differs only in spelling from ${named(twin)}`,
        known.has(twin) ? twin : (asGood ?? twin),
      );
    else if (asGood !== undefined)
      say('means-good', `would be a defect: labels.good names ${good.map(shown).join(', ')}`, asGood);
    else if (unclear.test(label)) say('unclear', 'has an unclear meaning');
    else if (near !== undefined)
      say('typo', `is similar to ${named(near)}: it counts as a separate defect`, near);
  }
  return issues;
}

const shown = (label: string) => JSON.stringify(label);

/** One letter added, removed, swapped with its neighbour, or replaced inside the word; digits distinguish labels. */
function isTypo(a: string, b: string): boolean {
  const [x, y] = [spellingKey(a), spellingKey(b)];
  if (x === y || Math.min(x.length, y.length) < 4 || Math.abs(x.length - y.length) > 1) return false;
  let start = 0;
  while (start < x.length && x[start] === y[start]) start++;
  let end = 0;
  while (end < Math.min(x.length, y.length) - start && x.at(-1 - end) === y.at(-1 - end)) end++;
  const [left, right] = [x.slice(start, x.length - end), y.slice(start, y.length - end)];
  if (/\d/.test(left + right)) return false;
  if (left.length === 2 && right.length === 2) return left[0] === right[1] && left[1] === right[0];
  if (left.length + right.length === 1) return true;
  // The last letter distinguishes type A and type B.
  return left.length === 1 && right.length === 1 && end > 0;
}
