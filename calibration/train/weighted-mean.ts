/** Σ wᵢ vᵢ / Σ wᵢ; the weights need not sum to 1. */
export function weightedMean(values: readonly number[], weight: ArrayLike<number>): number {
  let sum = 0;
  let total = 0;
  values.forEach((value, i) => {
    sum += value * weight[i]!;
    total += weight[i]!;
  });
  return sum / total;
}
