import { expect, it } from 'vitest';
import { atMost, interval95, upperBound } from '../../../calibration/train/interval.ts';

// Reference values: scipy.stats.binomtest(k, n).proportion_ci(method='exact').
it.each([
  [0, 10, 0, 0.3085],
  [1, 11, 0.0023, 0.4128],
  [5, 20, 0.0866, 0.491],
  [10, 10, 0.6915, 1],
  [37, 1000, 0.0262, 0.0506],
])('%i of %i lies between %f and %f', (wrong, of, low, high) => {
  const interval = interval95(wrong, of);
  expect(interval.rate).toBeCloseTo(wrong / of, 12);
  expect(interval.low).toBeCloseTo(low, 3);
  expect(interval.high).toBeCloseTo(high, 3);
});

it('is 0 to 1 without any parts', () => {
  expect(interval95(0, 0)).toMatchObject({ low: 0, high: 1 });
});

it('bounds a rate by the tail of the binomial distribution, for thousands of parts too', () => {
  expect(upperBound(0, 45, 0.1)).toBeCloseTo(1 - 0.1 ** (1 / 45), 9);
  const bound = upperBound(100, 5_000, 0.05);
  expect(atMost(100, 5_000, bound)).toBeCloseTo(0.05, 6);
  expect(bound).toBeGreaterThan(0.02);
});
