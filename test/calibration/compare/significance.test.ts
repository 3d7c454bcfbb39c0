import { describe, expect, it } from 'vitest';
import { areaOf } from '../../../calibration/compare/auroc.ts';
import type { BaseFigures, Difference } from '../../../calibration/compare/comparison.ts';
import { recommend } from '../../../calibration/compare/recommend.ts';
import { holm, paired } from '../../../calibration/compare/significance.ts';

/** 20 frames: the first `won` are right only for one base, the next `lost` only for the other. */
function answers(won: number, lost: number) {
  const frames = Array.from({ length: 20 }, (_, i) => i);
  return { one: frames.map((i) => i < won || i >= won + lost), other: frames.map((i) => i >= won) };
}
const alone = Array.from({ length: 20 }, (_, i) => i);

describe('the paired test', () => {
  it('is McNemar’s exact test if each frame is a separate part', () => {
    const { one, other } = answers(8, 1);
    const found = paired(one, other, alone, 1);
    // 2 · (1 + 9) / 2⁹
    expect(found).toMatchObject({ won: 8, lost: 1, points: 35 });
    expect(found.p).toBeCloseTo(0.0390625, 10);
    expect(found.low).toBeGreaterThan(0);
    expect(found.low).toBeLessThan(35);
    expect(found.high).toBeGreaterThan(35);
    // The bases exchanged.
    const back = paired(other, one, alone, 1);
    expect(back.p).toBeCloseTo(found.p, 10);
    expect(back.points).toBe(-35);
  });

  it('counts frames of one part once', () => {
    const { one, other } = answers(8, 0);
    expect(paired(one, other, alone, 1).p).toBeCloseTo(2 / 2 ** 8, 10);
    const together = alone.map((i) => (i < 8 ? 0 : i));
    expect(paired(one, other, together, 1).p).toBe(1);
  });

  it('finds nothing between equal answers', () => {
    const { one } = answers(8, 1);
    expect(paired(one, one, alone, 1)).toMatchObject({ points: 0, low: 0, high: 0, p: 1 });
  });

  it('is corrected for the number of bases', () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
  });
});

it('the area under the curve counts ties half', () => {
  expect(areaOf([1, 2], [3, 4])).toBe(1);
  expect(areaOf([1, 3], [2, 3])).toBe(0.625);
});

describe('the recommendation', () => {
  const rates = { rate: 0, low: 0, high: 1, wrong: 0, of: 10 };
  const none: Difference = { to: 'used', points: 0, low: 0, high: 0, won: 0, lost: 0, p: 1 };
  const base = (name: string, value: number, toInUse: Difference | null): BaseFigures => ({
    name,
    sha256: '',
    licence: 'MIT',
    features: 8,
    megabytes: 1,
    isEmbedded: false,
    inUse: toInUse === null,
    accuracy: { value, low: 0, high: 1 },
    escapes: rates,
    falseRejects: rates,
    uncertain: rates,
    promised: false,
    goodOnly: null,
    goodOnlyMissing: '',
    places: null,
    toStatistics: none,
    toEmbedded: null,
    toInUse,
    speed: { float: { ms: 10, ratio: 1.5 }, int8: null },
    memory: null,
    seconds: 1,
  });
  const shift = (points: number, p: number): Difference => ({
    ...none,
    points,
    low: points,
    high: points,
    p,
  });

  it('names the most accurate of the significantly better bases', () => {
    const found = recommend([
      base('used', 0.8, null),
      base('best', 0.95, shift(15, 0.001)),
      base('better', 0.9, shift(10, 0.01)),
    ]);
    expect(found.recommended).toBe('best');
    expect(found.sentence).toContain('best is significantly better for these parts than used: 95.0 %');
    expect(found.sentence).toContain('1.5 times as long');
  });

  it('keeps the base in use without a significant difference, and says so', () => {
    const found = recommend([base('used', 0.9, null), base('other', 0.93, shift(3, 0.2))]);
    expect(found).toMatchObject({
      recommended: null,
      sentence: 'keep used: no significant difference to other',
    });
    expect(found.details[0]).toContain('no significant difference (+3.0 points');
    const worse = recommend([base('used', 0.9, null), base('other', 0.5, shift(-40, 0.001))]);
    expect(worse.sentence).toBe('keep used: other is significantly worse for these parts');
  });

  it('never names a base that lets significantly more bad parts pass', () => {
    const bases = [base('used', 0.8, null), base('other', 0.9, shift(10, 0.001))];
    const found = recommend(bases, new Map([['other', shift(20, 0.01)]]));
    expect(found.recommended).toBeNull();
    expect(found.details[0]).toContain('significantly more bad parts pass');
    expect(recommend(bases, new Map([['other', shift(20, 0.3)]])).recommended).toBe('other');
  });
});
