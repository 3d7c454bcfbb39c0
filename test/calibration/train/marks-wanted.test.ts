import { expect, it } from 'vitest';
import { doubtfulDefects, marksWanted } from '../../../calibration/train/marks-wanted.ts';

const frames = ['good', 'dent', 'dent', 'dent', 'pit'].map((label, i) => ({ id: `${i}`, label }));
const heldOut = [
  { good: 0.4, dent: 0.6, pit: 0 },
  { good: 0.7, dent: 0.3, pit: 0 },
  { good: 0.1, dent: 0.9, pit: 0 },
  { good: 0.3, dent: 0.6, pit: 0.1 },
  { good: 0.9, dent: 0, pit: 0.1 },
];

it('ranks defects that are judged wrong or uncertain, and no good part', () => {
  expect(doubtfulDefects(frames, heldOut, ['good'])).toEqual([
    { id: '4', label: 'pit', said: 'good', probability: 0.1 },
    { id: '1', label: 'dent', said: 'good', probability: 0.3 },
    { id: '3', label: 'dent', said: 'dent', probability: 0.6 },
  ]);
});

it('wants no mark on frames marked, removed or relabelled since, nor on labels with ten marked frames', () => {
  const doubtful = doubtfulDefects(frames, heldOut, ['good']);
  const wanted = (now: typeof frames, marked: readonly string[]) =>
    marksWanted(doubtful, now, new Set(marked)).map(({ id }) => id);
  expect(wanted(frames, [])).toEqual(['4', '1', '3']);
  expect(wanted(frames, ['1'])).toEqual(['4', '3']);
  expect(wanted(frames.slice(0, 4), [])).toEqual(['1', '3']);
  expect(wanted(frames.with(4, { id: '4', label: 'dent' }), [])).toEqual(['1', '3']);
  const more = Array.from({ length: 10 }, (_, i) => ({ id: `more ${i}`, label: 'dent' }));
  expect(
    wanted(
      [...frames, ...more],
      more.map(({ id }) => id),
    ),
  ).toEqual(['4']);
});
