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
        'there is no active model version yet; parts like the 20 good ones pass, all others are uncertain',
    });
  });

  test('never replaces one that knows defects, with the reason', () => {
    const knowing = { ...active(20, 0), defects: ['dent', 'scratch'] };
    expect(judgeGoodOnly(passing(20, 0), isGood, 0.05, knowing)).toEqual({
      allowed: false,
      reason:
        'the active version 2026-11-30.1 recognises defects (dent, scratch), but this one was trained on good parts only; label at least 4 frames of each defect and train again',
    });
  });

  test('may refuse as many good parts as the rate allows, or as the active one refuses', () => {
    expect(judgeGoodOnly(passing(19, 0), isGood, 0.05, active(20, 0))).toEqual({
      allowed: true,
      reason:
        'it is at least as good: of 20 good parts, 1 are uncertain, with 2026-11-30.1 0; of 2 defects, 0 pass, with 2026-11-30.1 0',
    });
    expect(judgeGoodOnly(passing(17, 0), isGood, 0.05, active(17, 0)).allowed).toBe(true);
    expect(judgeGoodOnly(passing(17, 0), isGood, 0.05, active(18, 0)).allowed).toBe(false);
  });

  test('is refused if it passes more defects', () => {
    expect(judgeGoodOnly(passing(20, 1), isGood, 0.05, active(20, 0)).allowed).toBe(false);
    expect(judgeGoodOnly(passing(20, 1), isGood, 0.05, active(20, 1)).allowed).toBe(true);
  });

  test('is compared only on parts known for both', () => {
    const unknown = { ...active(20, 0), passes: isGood.map(() => undefined) };
    expect(judgeGoodOnly(passing(20, 2), isGood, 0.05, unknown)).toEqual({
      allowed: true,
      reason: '2026-11-30.1 has no recorded answers to compare with',
    });
  });
});
