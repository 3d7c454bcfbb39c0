/** Agreement beyond chance. Pure. */

/**
 * Cohen's kappa of two raters (Educational and Psychological Measurement 20, 1960).
 * @param pairs the answers of both to the same question
 * @returns null without answers, or if both always gave the same one answer: then chance explains everything
 */
export function cohenKappa(pairs: readonly (readonly [string, string])[]): number | null {
  const first = sharesOf(pairs.map(([one]) => one));
  const second = sharesOf(pairs.map(([, other]) => other));
  const observed = pairs.filter(([one, other]) => one === other).length / pairs.length;
  let expected = 0;
  for (const [label, share] of first) expected += share * (second.get(label) ?? 0);
  return kappaOf(pairs.length, observed, expected);
}

/**
 * Fleiss' kappa of any number of raters (Psychological Bulletin 76, 1971).
 * @param answers for each part, as many as for every other part, at least two
 * @returns null without answers, or if all answers are the same
 */
export function fleissKappa(answers: readonly (readonly string[])[]): number | null {
  const raters = answers[0]?.length ?? 0;
  if (raters < 2) return null;
  let equal = 0;
  for (const ofPart of answers) for (const count of countsOf(ofPart).values()) equal += count * (count - 1);
  const observed = equal / (answers.length * raters * (raters - 1));
  let expected = 0;
  for (const share of sharesOf(answers.flat()).values()) expected += share * share;
  return kappaOf(answers.length, observed, expected);
}

/** AIAG, Measurement Systems Analysis, 4th edition, chapter III C: above 0.75 good to excellent, below 0.40 poor. */
export function readingOf(kappa: number | null): 'good' | 'fair' | 'poor' | 'undefined' {
  if (kappa === null) return 'undefined';
  if (kappa > 0.75) return 'good';
  return kappa < 0.4 ? 'poor' : 'fair';
}

function kappaOf(count: number, observed: number, expected: number): number | null {
  return count === 0 || 1 - expected < 1e-12 ? null : (observed - expected) / (1 - expected);
}

function countsOf(labels: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

function sharesOf(labels: readonly string[]): Map<string, number> {
  return new Map([...countsOf(labels)].map(([label, count]) => [label, count / labels.length]));
}
