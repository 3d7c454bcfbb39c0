import { expect, test } from 'vitest';
import { Lanes } from '../../../models/run/lanes.ts';

function filled(...asked: readonly (readonly [lane: string, one: number])[]): Lanes<number> {
  const lanes = new Lanes<number>();
  for (const [lane, one] of asked) lanes.push(lane, one);
  return lanes;
}

test('lanes alternate, each in its own order', () => {
  const lanes = filled(['busy', 1], ['busy', 2], ['busy', 3], ['quiet', 10], ['other', 20], ['other', 21]);
  expect(lanes.take(4)).toEqual([1, 10, 20, 2]);
  expect(lanes.length).toBe(2);
  // The round continues at its last position: a lane that was just served waits for the others.
  expect(lanes.take(9)).toEqual([21, 3]);
  expect(lanes.length).toBe(0);
  expect(lanes.take(1)).toEqual([]);
});

test('a new lane is served before a busy one is served again', () => {
  const lanes = filled(...Array.from({ length: 50 }, (_, n) => ['flood', n] as const));
  lanes.take(1);
  lanes.push('late', 99);
  expect(lanes.take(2)).toEqual([1, 99]);
  expect(lanes.lengthOf('flood')).toBe(48);
  expect(lanes.lengthOf('late')).toBe(0);
});

test('the oldest is searched in all lanes', () => {
  const lanes = filled(['a', 7], ['a', 8], ['b', 5], ['c', 6]);
  expect(lanes.oldest((one) => one)).toBe(5);
  lanes.take(2);
  expect(lanes.oldest((one) => one)).toBe(6);
  lanes.take(9);
  expect(lanes.oldest((one) => one)).toBeUndefined();
});
