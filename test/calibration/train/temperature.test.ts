import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../calibration/train/random.ts';
import { calibrate, calibrateHead, effectiveParts } from '../../../calibration/train/temperature.ts';
import { probabilitiesFrom } from '../../../models/head.ts';

/** Scores of two labels, with steps of a given mean and deviation between them, and the true labels. */
function held(seed: number, count: number, step: number, deviation: number) {
  const random = seededRandom(seed);
  const target = Array.from({ length: count }, (_, i) => i % 2);
  const rows = target.map((k) => {
    const noise = (random.between(-1, 1) + random.between(-1, 1) + random.between(-1, 1)) * deviation;
    const margin = (step + noise) / 2;
    return k === 0 ? [margin, -margin] : [-margin, margin];
  });
  return { rows, target, weight: target.map(() => 1) };
}

const lossOf = (
  rows: readonly number[][],
  target: readonly number[],
  by: Parameters<typeof probabilitiesFrom>[1],
) => rows.reduce((sum, row, i) => sum - Math.log(probabilitiesFrom(row, by)[target[i]!]!), 0) / rows.length;

describe('calibrating a head', () => {
  it('never states more certainty than the number of parts justifies', () => {
    for (const count of [8, 24, 200]) {
      const { rows, target, weight } = held(1, count, 5, 0);
      const calibration = calibrateHead([rows], target, weight, [count / 2, count / 2]);
      const highest = Math.max(...rows.flatMap((row) => probabilitiesFrom(row, calibration)));
      expect(highest).toBeLessThanOrEqual((count + 0.5) / (count + 1));
      // The likelihood alone is certain after 8 parts without a mistake.
      const alone = calibrate(rows, target, weight, 0.025);
      expect(Math.max(...rows.flatMap((row) => probabilitiesFrom(row, alone)))).toBeGreaterThan(0.999_9);
    }
    const { rows, target, weight } = held(1, 24, 5, 0);
    const { doubt } = calibrateHead([rows], target, weight, [12, 12]);
    expect(1 - doubt).toBeCloseTo(0.98, 5);
  });

  it('predicts other parts better than the likelihood alone from few parts', () => {
    let [alone, now] = [0, 0];
    const fresh = held(9_999, 2_000, 0.8, 0.5);
    for (let seed = 1; seed <= 40; seed++) {
      const { rows, target, weight } = held(seed, 16, 0.8, 0.5);
      alone += lossOf(fresh.rows, fresh.target, calibrate(rows, target, weight, 0.025)) / 40;
      now += lossOf(fresh.rows, fresh.target, calibrateHead([rows], target, weight, [8, 8])) / 40;
    }
    expect(now).toBeLessThan(0.75 * alone);
    expect(now).toBeLessThan(0.2);
  });

  it('approaches the likelihood with many parts', () => {
    const { rows, target, weight } = held(3, 4_000, 0.5, 0.4);
    const { temperature } = calibrate(rows, target, weight, 0.025);
    const now = calibrateHead([rows, rows], target, weight, [2_000, 2_000]);
    expect(now.temperature).toBeCloseTo(temperature, 2);
    expect(now.doubt).toBeLessThan(0.001);
  });

  it('counts many parts of one label little if another label has few', () => {
    expect(effectiveParts([12, 12])).toBeCloseTo(24);
    expect(effectiveParts([1_000, 4])).toBeLessThan(16);
  });
});
