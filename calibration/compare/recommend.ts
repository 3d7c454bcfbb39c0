/** The recommendation of a comparison, in words. Pure. */
import { percent } from '../../models/percent.ts';
import type { BaseFigures, Comparison, Difference } from './comparison.ts';

/** Probability of recommending a base that is no better. */
const risk = 0.05;
const isBetter = ({ toInUse }: { readonly toInUse: Difference }) => toInUse.points > 0 && toInUse.p < risk;

type Recommendation = Pick<Comparison, 'recommended' | 'sentence' | 'details'>;

/**
 * Recommends the most accurate of the bases that are significantly better than the base in use and do not let significantly more
 * bad parts pass.
 * @param escaping by name: how the base compares with the base in use on bad parts that pass; absent without good parts
 * @param maxMs a base that takes longer for a part is not recommended
 */
export function recommend(
  bases: readonly BaseFigures[],
  escaping: ReadonlyMap<string, Difference> = new Map(),
  maxMs = Number.POSITIVE_INFINITY,
): Recommendation {
  const inUse = bases.find((one) => one.inUse)!;
  const others = bases.flatMap((one) => (one.toInUse ? [{ ...one, toInUse: one.toInUse }] : []));
  const escapesMore = ({ name }: BaseFigures) => {
    const shift = escaping.get(name);
    return shift !== undefined && shift.points > 0 && shift.p < risk;
  };
  const isTooSlow = ({ speed: { float, int8 } }: BaseFigures) => (int8 ?? float).ms > maxMs;
  const better = others.filter((one) => isBetter(one) && !escapesMore(one) && !isTooSlow(one));
  const best = better.toSorted((a, b) => b.accuracy.value - a.accuracy.value)[0];
  const details = others.map((one) => {
    const { name, toInUse } = one;
    return `${name}: ${inWords(toInUse)}${escapesMore(one) ? '; it lets significantly more bad parts pass' : ''}${isTooSlow(one) ? `; one part takes more than ${maxMs} ms` : ''}`;
  });
  if (!best) return { recommended: null, sentence: keep(inUse, others), details };
  const { name, accuracy, toInUse, speed } = best;
  return {
    recommended: name,
    sentence: `${name} is significantly better for these parts than ${inUse.name}: ${percent(accuracy.value)} of new parts are judged correctly instead of ${percent(inUse.accuracy.value)} (${range(toInUse)}); one part takes ${speed.float.ratio.toFixed(1)} times as long in float`,
    details,
  };
}

function keep(
  inUse: BaseFigures,
  others: readonly (BaseFigures & { readonly toInUse: Difference })[],
): string {
  if (others.length === 0) return `only ${inUse.name} is installed: there is nothing to compare it with`;
  const isWorse = ({ toInUse }: { readonly toInUse: Difference }) => toInUse.points < 0 && toInUse.p < risk;
  if (others.every(isWorse))
    return `keep ${inUse.name}: ${others.length === 1 ? `${others[0]!.name} is` : 'all others are'} significantly worse for these parts`;
  const undecided = others.filter((one) => !isWorse(one) && !isBetter(one)).map(({ name }) => name);
  if (undecided.length === 0)
    return `keep ${inUse.name}: better bases for these parts take too long or let more bad parts pass`;
  return `keep ${inUse.name}: no significant difference to ${undecided.join(', ')}`;
}

/** A difference to another base. */
export function inWords({ points, p, ...rest }: Difference): string {
  if (p >= risk) return `no significant difference (${range({ points, ...rest })}, p = ${p.toFixed(2)})`;
  return `significantly ${points > 0 ? 'better' : 'worse'} (${range({ points, ...rest })})`;
}

const signed = (points: number) => `${points >= 0 ? '+' : '−'}${Math.abs(points).toFixed(1)}`;

const range = ({ points, low, high }: Pick<Difference, 'points' | 'low' | 'high'>) =>
  `${signed(points)} points, 95 % interval ${signed(low)} to ${signed(high)}`;
