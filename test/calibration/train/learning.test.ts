import { describe, expect, it } from 'vitest';
import { byLabel } from '../../../calibration/train/evaluate.ts';
import { type Example, fitHead } from '../../../calibration/train/fit.ts';
import { confidence, fitLearningCurve } from '../../../calibration/train/learning/curve.ts';
import { errorsOf } from '../../../calibration/train/learning/errors.ts';
import { learningOf } from '../../../calibration/train/learning/learning.ts';
import { learningPoints } from '../../../calibration/train/learning/points.ts';
import { seededRandom } from '../../../calibration/train/random.ts';

/** 120 parts, each with a difficulty: heads with `n` labels are wrong on a number of them that the curve gives. */
function judgedBy(errorAt: (labels: number) => number, seed: number) {
  const random = seededRandom(seed);
  const labels = [2, 3.2, 5, 8];
  const examples = Array.from({ length: 120 }, (_, i) => ({
    label: i % 3 === 0 ? 'good' : 'dent',
    group: i,
  }));
  const difficulty = examples.map(() => random.next());
  const wrong = labels.map((n) =>
    Array.from({ length: 6 }, () =>
      Uint8Array.from(difficulty, (own) => (own + random.between(-0.05, 0.05) < errorAt(n) ? 1 : 0)),
    ),
  );
  return { labels, examples, wrong, escaped: wrong };
}

describe('a learning curve', () => {
  it('has intervals that cover a known gain as often as they state', () => {
    const covered: boolean[] = [];
    for (const [c, exponent] of [0.3, 0.5, 0.8, 1.2].entries()) {
      for (const [f, floor] of [0, 0.25, 0.5].entries()) {
        const errorAt = (n: number) => 0.2 * (floor + (1 - floor) * (n / 8) ** -exponent);
        for (let draw = 0; draw < 12; draw++) {
          const points = judgedBy(errorAt, 1_000 * c + 100 * f + draw);
          const curve = fitLearningCurve(
            errorsOf(points, { of: 'wrong', weightOf: () => 1 / 120, seed: draw }),
          );
          for (const more of [10, 20]) {
            const { low, high } = curve.gain(10, 10 + more);
            const truth = errorAt(10) - errorAt(10 + more);
            covered.push(low <= truth && truth <= high);
          }
        }
      }
    }
    expect(covered.filter(Boolean).length / covered.length).toBeGreaterThanOrEqual(confidence);
  });

  it('of parts that are never judged wrong still has an interval', () => {
    const points = judgedBy(() => -1, 1);
    const errors = errorsOf(points, { of: 'wrong', weightOf: () => 1 / 120, seed: 1 });
    const { low, high } = fitLearningCurve(errors).gain(10, 30);
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(0.002);
    expect(high).toBeLessThan(3 / 120);
  });
});

/** Parts of three labels. A label has modes, earlier ones more often; a mode is a pattern with noise. */
function parts(seed: number, perLabel: number, { modes = 1, noise = 0.6, group = 1 } = {}): Example[] {
  const random = seededRandom(seed);
  const patterns = seededRandom(4_711);
  const size = 96;
  const pattern = Array.from({ length: 3 * modes }, () =>
    Float32Array.from({ length: size }, () => patterns.between(0, 1)),
  );
  return ['crack', 'dent', 'good'].flatMap((label, k) =>
    Array.from({ length: perLabel }, (_, i): Example => {
      const mode = Math.min(modes - 1, Math.floor(random.next() ** 3 * modes));
      const own = pattern[k * modes + mode]!;
      const view = own.map((value) => value + random.between(0, noise));
      return { label, group: 1_000 * k + Math.floor(i / group), views: new Map([[0, view]]) };
    }),
  );
}

const rules = { good: ['good'], thresholds: { pass: 0.7, fail: 0.6 } };
async function learned(examples: readonly Example[], seed = 1) {
  const head = await fitHead(examples, { seed });
  const heldOut = byLabel(head.labels, head.heldOut);
  return { head, learning: await learningOf({ examples, head, heldOut, rules, seed }) };
}

describe('the benefit of more labels', () => {
  it('is stated with figures for heads that still improve', async () => {
    const { learning } = await learned(parts(1, 12, { modes: 24 }));
    expect(learning.state).toBe('gains');
    expect(learning.sentence).toMatch(
      /^20 more labels per class would improve the accuracy by about \d+ points \(\d+(\.\d)? to \d+\)/,
    );
    expect(learning.now).toBe(12);
    const sizes = learning.points.map(({ labels }) => labels);
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    // Four fifths of the labels, less the effect of unequal folds.
    expect(sizes.at(-1)).toBeCloseTo(9.6, 0);
    const accuracies = learning.points.map(({ accuracy }) => accuracy);
    expect(accuracies.at(-1)).toBeGreaterThan(accuracies[0]! + 0.1);
    expect(learning.expected.map(({ more }) => more)).toEqual([10, 20]);
    for (const { accuracy, balancedError, escapes } of learning.expected) {
      for (const one of [accuracy, balancedError, escapes!]) {
        expect(one.low).toBeLessThanOrEqual(one.value);
        expect(one.value).toBeLessThanOrEqual(one.high);
        expect(one.low).toBeGreaterThanOrEqual(0);
      }
    }
    expect(learning.byLabel.map(({ label }) => label).sort()).toEqual(['crack', 'dent', 'good']);
  });

  it('is less than a point if the heads no longer improve', async () => {
    const { learning } = await learned(parts(2, 60));
    expect(learning.state).toBe('saturated');
    expect(learning.sentence).toMatch(
      /^more labels of this kind would improve the accuracy by less than 1 percentage point \(20 more per class\)/,
    );
  });

  it('is unknown with few different parts, with the required number', async () => {
    const { learning } = await learned(parts(3, 12, { group: 2 }));
    expect(learning).toMatchObject({ state: 'unknown', points: [], expected: [] });
    expect(learning.sentence).toContain('8 different parts of each label are needed, crack has 6');
  });

  it('comes from heads trained without the groups on which they are judged', async () => {
    // Two parts of a group are equal: known ones would be recognised.
    const random = seededRandom(5);
    const twins = Array.from({ length: 24 }, (_, group) => {
      const view = Float32Array.from({ length: 64 }, () => random.next());
      const example = { label: group % 2 === 0 ? 'good' : 'dent', group, views: new Map([[0, view]]) };
      return [example, example];
    }).flat();
    const { head } = await learned(twins);
    const { wrong } = await learningPoints(twins, head, { seed: 1, rules });
    const mistakes = wrong.at(-1)!.map((table) => table.reduce((sum, one) => sum + one, 0) / table.length);
    expect(Math.min(...mistakes)).toBeGreaterThan(0.25);
  });

  it('can be stopped', async () => {
    const examples = parts(6, 10);
    const { head } = await learned(examples);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(learningPoints(examples, head, { seed: 1, rules, signal })).rejects.toThrow('enough');
  });
});
