import { describe, expect, test } from 'vitest';
import { judgeGoodOnly } from '../../../calibration/train/good-only-gate.ts';

const isGood = [...Array<boolean>(20).fill(true), false, false];
/** Twenty good parts and two defects. */
const passing = (good: number, bad: number) => [
  ...Array.from({ length: 20 }, (_, i) => i < good),
  ...Array.from({ length: 2 }, (_, i) => i < bad),
];
const active = (good: number, bad: number) => ({
  version: '2026-11-30.1',
  defects: [],
  passes: passing(good, bad),
});

describe('a head that knows good parts only', () => {
  test('may be the first', () => {
    expect(judgeGoodOnly(passing(20, 0), isGood, 0.05, undefined)).toEqual({
      allowed: true,
      reason:
        'there is no active model version yet; it passes parts like the 20 good ones and holds back all others',
    });
  });

  test('never replaces one that knows defects, and says why', () => {
    const knowing = { ...active(20, 0), defects: ['dent', 'scratch'] };
    expect(judgeGoodOnly(passing(20, 0), isGood, 0.05, knowing)).toEqual({
      allowed: false,
      reason:
        '2026-11-30.1, which is active, knows defects (dent, scratch) and this one only good parts: it would name none of them; label at least 4 frames of each of them',
    });
  });

  test('may hold back as many good parts as the rate allows, or as the active one does', () => {
    expect(judgeGoodOnly(passing(19, 0), isGood, 0.05, active(20, 0))).toEqual({
      allowed: true,
      reason:
        'it is no worse: of 20 good parts it holds back 1, 2026-11-30.1 0; of 2 defects it passes 0, 2026-11-30.1 0',
    });
    expect(judgeGoodOnly(passing(17, 0), isGood, 0.05, active(17, 0)).allowed).toBe(true);
    expect(judgeGoodOnly(passing(17, 0), isGood, 0.05, active(18, 0)).allowed).toBe(false);
  });

  test('is refused if it passes more defects', () => {
    expect(judgeGoodOnly(passing(20, 1), isGood, 0.05, active(20, 0)).allowed).toBe(false);
    expect(judgeGoodOnly(passing(20, 1), isGood, 0.05, active(20, 1)).allowed).toBe(true);
  });

  test('is compared only where both are known', () => {
    const unknown = { ...active(20, 0), passes: isGood.map(() => undefined) };
    expect(judgeGoodOnly(passing(20, 2), isGood, 0.05, unknown)).toEqual({
      allowed: true,
      reason: '2026-11-30.1 left no answers to compare with',
    });
  });
});
