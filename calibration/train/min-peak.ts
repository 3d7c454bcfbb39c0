/** Chooses the minimum peak of a map of deviations from which a location is reported. */

/** Lower limit. */
const minDeviation = 0.1;

/**
 * The peak that nine in ten good parts do not exceed or, if that is lower, the peak that nine in ten defects reach.
 * @param heldOut peak of each part, from a detector that was trained without it
 */
export function minPeak(heldOut: readonly number[], isGood: readonly boolean[]): number {
  const ranked = (of: boolean) => heldOut.filter((_, i) => isGood[i] === of).toSorted((a, b) => a - b);
  const [goods, defects] = [ranked(true), ranked(false)];
  const goodPeak = goods[Math.ceil(0.9 * goods.length) - 1] ?? Number.POSITIVE_INFINITY;
  const defectPeak = defects[Math.floor(0.1 * defects.length)] ?? Number.POSITIVE_INFINITY;
  const least = Math.min(goodPeak, defectPeak);
  return Number.isFinite(least) ? Math.max(minDeviation, Number(least.toFixed(3))) : minDeviation;
}
