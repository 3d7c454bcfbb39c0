/** Exact confidence intervals of error rates. */

export interface Interval {
  /** wrong / of; 0 if `of` is 0. */
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly wrong: number;
  readonly of: number;
}

/** Exact two-sided 95 % interval of a rate (Clopper and Pearson, Biometrika 26, 1934). */
export function interval95(wrong: number, of: number): Interval {
  if (of === 0) return { rate: 0, low: 0, high: 1, wrong, of };
  // The lower end follows by symmetry between wrong and right.
  return {
    rate: wrong / of,
    low: 1 - upperBound(of - wrong, of, 0.025),
    high: upperBound(wrong, of, 0.025),
    wrong,
    of,
  };
}

/** One-sided upper confidence bound: the rate at which so few mistakes have probability `risk`. */
export function upperBound(wrong: number, of: number, risk: number): number {
  if (wrong >= of) return 1;
  let low = wrong / of;
  let high = 1;
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (atMost(wrong, of, middle) > risk) low = middle;
    else high = middle;
  }
  return high;
}

/** Probability of at most `wrong` mistakes in `of` tries at this rate. */
export function atMost(wrong: number, of: number, rate: number): number {
  if (rate <= 0) return 1;
  if (rate >= 1) return wrong >= of ? 1 : 0;
  let logTerm = of * Math.log1p(-rate);
  const odds = Math.log(rate) - Math.log1p(-rate);
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= wrong; k++) {
    logTerm += Math.log((of - k + 1) / k) + odds;
    sum += Math.exp(logTerm);
  }
  return Math.min(1, sum);
}
