import { expect, it } from 'vitest';
import { argmax } from '../../models/argmax.ts';

it('finds the largest value, the first of equal ones, and never one that is not a number', () => {
  expect(argmax([0.1, 0.7, 0.2])).toBe(1);
  expect(argmax([0.4, 0.4, 0.2])).toBe(0);
  expect(argmax([Number.NaN, 0.2, 0.6])).toBe(2);
  expect(argmax([0.3, Number.NaN, 0.1])).toBe(0);
  expect(argmax([Number.NaN, Number.NaN])).toBe(0);
});
