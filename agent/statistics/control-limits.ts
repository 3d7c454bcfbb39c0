/**
 * Control limits of a p-chart, and confidence intervals, that also hold for few parts. The limits are quantiles of the
 * beta-binomial distribution: the number of failed parts among n, if the defect rate is as in the reference period, whose
 * own uncertainty is included (prior of Jeffreys). With many parts they equal those of the binomial distribution.
 */

/** Share of points beyond each limit if only chance is at work: that of three standard deviations. */
const tail = 0.00135;
/** Standard normal quantile of a 95 % interval. */
const z95 = 1.959964;
/** Summands below this share of the largest one are negligible. */
const negligible = 1e-18;

export interface Reference {
  readonly judged: number;
  readonly fail: number;
}

/** The interval of Wilson, 95 %, of a rate. @param n above 0 */
export function wilson(k: number, n: number): { low: number; high: number } {
  const p = k / n;
  const square = z95 ** 2;
  const middle = (p + square / (2 * n)) / (1 + square / n);
  const half = (z95 / (1 + square / n)) * Math.sqrt((p * (1 - p)) / n + square / (4 * n * n));
  return { low: k === 0 ? 0 : middle - half, high: k === n ? 1 : middle + half };
}

/** Smallest and largest number of failed parts among n that chance explains. @param n above 0 */
export function chanceLimits(n: number, { judged, fail }: Reference): { least: number; most: number } {
  const a = fail + 0.5;
  const b = judged - fail + 0.5;
  /** Probability of x + 1 divided by that of x. */
  const ratio = (x: number) => ((n - x) / (x + 1)) * ((x + a) / (n - x - 1 + b));
  const peak = Math.min(n, Math.max(0, Math.floor((n * a) / (a + b))));
  const above: number[] = [];
  for (let x = peak, p = 1; x < n; x++) {
    p *= ratio(x);
    if (p < negligible) break;
    above.push(p);
  }
  const below: number[] = [];
  for (let x = peak, p = 1; x > 0; x--) {
    p /= ratio(x - 1);
    if (p < negligible) break;
    below.push(p);
  }
  const first = peak - below.length;
  const weights = [...below.reverse(), 1, ...above];
  const total = weights.reduce((sum, one) => sum + one, 0);
  let sum = 0;
  let least = first;
  for (const [i, weight] of weights.entries()) {
    sum += weight / total;
    if (sum <= tail) least = first + i + 1;
    if (sum >= 1 - tail) return { least, most: first + i };
  }
  return { least, most: first + weights.length - 1 };
}
