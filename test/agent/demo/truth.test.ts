import { expect, test } from 'vitest';
import { matchTruth, type Truth } from '../../../agent/demo/truth.ts';

const truths: Truth[] = [1, 2, 3, 4].map((serial) => ({
  serial,
  label: 'good',
  enteredAt: serial * 1_000 - 300,
  centredAt: serial * 1_000,
  leftAt: serial * 1_000 + 300,
}));

test('each result is assigned to its part by time; missed, doubled and stray ones are distinguished', () => {
  const results = [
    { id: 'a', capturedAt: 1_010 },
    { id: 'b', capturedAt: new Date(1_980).toISOString() },
    { id: 'c', capturedAt: 2_250 },
    { id: 'd', capturedAt: 2_500 },
    { id: 'e', capturedAt: 4_340 },
  ];
  const { matches, missed, doubled } = matchTruth(results, truths);
  expect(matches.map(({ result, truth }) => [result.id, truth?.serial])).toEqual([
    ['a', 1],
    ['b', 2],
    ['c', 2],
    ['d', undefined],
    ['e', 4],
  ]);
  expect(missed.map(({ serial }) => serial)).toEqual([3]);
  expect(doubled.map(({ serial }) => serial)).toEqual([2]);
});

test('no results: all parts are missed', () => {
  expect(matchTruth([], truths).missed).toHaveLength(4);
});
