import { expect, it } from 'vitest';
import { judgeCandidate } from '../../../calibration/train/gate.ts';

const truth = Array.from({ length: 100 }, (_, i) => (i % 2 ? 'good' : 'crack'));
const wrongAt = (...at: number[]) => truth.map((_, i) => !at.includes(i));
const active = (...at: number[]) => ({ version: '2026-11-23.1', right: wrongAt(...at) });

it('accepts a first head only if it is significantly better than guessing', () => {
  expect(judgeCandidate(wrongAt(1, 2), truth, undefined).allowed).toBe(true);
  const guessing = truth.map((label) => label === 'good');
  expect(judgeCandidate(guessing, truth, undefined)).toMatchObject({
    allowed: false,
    reason: expect.stringContaining('most frequent label would be right for 50'),
  });
});

it('accepts a better one and an equal one', () => {
  expect(judgeCandidate(wrongAt(1), truth, active(1, 2, 3)).allowed).toBe(true);
  expect(judgeCandidate(wrongAt(1), truth, active(1)).allowed).toBe(true);
});

it('refuses a worse one with the difference', () => {
  const { allowed, reason } = judgeCandidate(wrongAt(1, 2, 3), truth, active(3));
  expect(allowed).toBe(false);
  expect(reason).toMatch(/worse: of 100 parts it gets 0 right that .* gets wrong, and 2 wrong/);
});

it('refuses one that may be worse: as many lost as won, of few parts', () => {
  const { allowed, reason } = judgeCandidate(wrongAt(1, 2, 3, 4), truth, active(5, 6, 7, 8));
  expect(allowed).toBe(false);
  expect(reason).toMatch(/not shown to be at least as good.*label more/);
});

it('compares only parts with a recorded answer of the old head, and reports if there are none', () => {
  const knownUntil = (end: number) => ({ ...active(3), known: truth.map((_, i) => i < end) });
  const worseElsewhere = judgeCandidate(wrongAt(60, 61, 62), truth, knownUntil(50));
  expect(worseElsewhere).toEqual({
    allowed: true,
    reason: expect.stringMatching(/^of 50 parts it gets 1 right that .* wrong, and 0 wrong/),
  });
  expect(judgeCandidate(wrongAt(1, 2), truth, knownUntil(50)).allowed).toBe(false);
  expect(judgeCandidate(wrongAt(1, 2), truth, knownUntil(0))).toEqual({
    allowed: true,
    reason:
      '2026-11-23.1 has no recorded answers to compare with, and it is significantly better than guessing',
  });
});
