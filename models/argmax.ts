/** Index of the largest value, the first of equal ones. NaN is ignored; 0 if all are NaN. */
export function argmax(values: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if (values[i]! > values[best]! || (Number.isNaN(values[best]) && !Number.isNaN(values[i]))) best = i;
  }
  return best;
}
