/**
 * Maximum anomaly score of a part that passes, for a given rate of false alarms. One more part exceeds the r-th largest score of n
 * parts with a probability of at most r / (n + 1) (order statistics; Vovk, Gammerman, Shafer 2005), so 9 parts promise 10 %, 19 promise 5 %. That rate is an average
 * over stations; here it is promised for this one with 95 % confidence (Wilks 1941): 29, 59, 149, 299 parts for 10, 5, 2, 1 %.
 */
const risk = 0.05;

/** The lowest limit for which the rate is promised with 95 % confidence, or else the largest score. */
export function limitOf(
  heldOut: readonly number[],
  falseAlarmRate: number,
): { readonly limit: number; readonly promised: boolean; readonly text: string } {
  const ranked = heldOut.toSorted((a, b) => b - a);
  const parts = ranked.length;
  const percent = `${Number((100 * falseAlarmRate).toFixed(2))} %`;
  // P(the r-th largest of n leaves more than the rate beyond it) = P(fewer than r of n are beyond the true quantile).
  let passed = 0;
  let probability = (1 - falseAlarmRate) ** parts;
  let below = 0;
  while (passed < parts && below + probability <= risk) {
    below += probability;
    probability *= ((parts - passed) / (passed + 1)) * (falseAlarmRate / (1 - falseAlarmRate));
    passed++;
  }
  if (passed > 0) {
    const text = `at most ${percent} of good parts are uncertain, with 95 % confidence from ${parts} good parts`;
    return { limit: ranked[passed - 1]!, promised: true, text };
  }
  const proved = Math.ceil(100 * (1 - risk ** (1 / parts)));
  const missing = partsFor(falseAlarmRate) - parts;
  return {
    limit: ranked[0]!,
    promised: false,
    text: `${parts} good parts are not enough to show that at most ${percent} of good parts are uncertain: at least ${missing} more are needed; they show at most ${proved} %`,
  };
}

/** Good parts that promise this rate of false alarms with 95 % confidence. */
const partsFor = (falseAlarmRate: number) => Math.ceil(Math.log(risk) / Math.log1p(-falseAlarmRate));

/**
 * The score that this share of good parts exceeds, estimated also for a share that the parts are too few to observe: the excess of the
 * largest quarter of the scores over their smallest is taken as exponentially distributed (peaks over threshold, Pickands 1975).
 * @param heldOut scores of different held-out good parts, at least one
 */
export function tailLimit(heldOut: readonly number[], share: number): number {
  const ranked = heldOut.toSorted((a, b) => b - a);
  const beyond = Math.min(ranked.length - 1, Math.max(3, Math.round(ranked.length / 4)));
  if (beyond < 1) return ranked[0]!;
  const from = ranked[beyond]!;
  const excess = ranked.slice(0, beyond).reduce((sum, score) => sum + score - from, 0) / beyond;
  return from + excess * Math.log(Math.max(1, beyond / (share * ranked.length)));
}
