import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../calibration/train/random.ts';
import { fitRidge } from '../../../calibration/train/ridge.ts';

/** Clouds around one point per class; `spread` is the noise relative to the distance between points. */
function clouds(counts: number[], size: number, spread: number, seed = 1) {
  const next = seededRandom(seed).next;
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const centres = counts.map(() => Array.from({ length: size }, normal));
  const features: Float32Array[] = [];
  const labels: string[] = [];
  counts.forEach((count, k) => {
    for (let i = 0; i < count; i++) {
      features.push(Float32Array.from(centres[k]!, (value) => 5 + 3 * (value + spread * normal())));
      labels.push(`class ${k}`);
    }
  });
  return { features, labels };
}

function probabilities(head: ReturnType<typeof fitRidge>, row: Float32Array): number[] {
  const scores = head.labels.map((_, k) =>
    row.reduce((sum, value, d) => sum + value * head.weights[k * row.length + d]!, head.bias[k]!),
  );
  const powers = scores.map((score) => Math.exp((score - Math.max(...scores)) / head.temperature));
  return powers.map((power) => power / powers.reduce((a, b) => a + b));
}

describe('fitting', () => {
  test('learns clouds and classifies new points of them', () => {
    const all = clouds([40, 40, 40], 60, 1.2);
    const training = all.features.map((_, i) => i % 4 === 0);
    const pick = <T>(items: T[], wanted: boolean) => items.filter((_, i) => training[i] === wanted);
    const head = fitRidge(pick(all.features, true), pick(all.labels, true));
    expect(head.labels).toEqual(['class 0', 'class 1', 'class 2']);
    const rest = pick(all.features, false);
    const names = pick(all.labels, false);
    const right = rest.filter((row, i) => {
      const p = probabilities(head, row);
      return head.labels[p.indexOf(Math.max(...p))] === names[i];
    });
    expect(right.length / rest.length).toBeGreaterThan(0.9);
    expect(head.looAccuracy).toBeGreaterThan(0.85);
  });

  test('is deterministic, and does not depend on the order of the images', () => {
    const { features, labels } = clouds([9, 7], 30, 1.5);
    const once = fitRidge(features, labels);
    expect(fitRidge(features, labels)).toEqual(once);
    const turned = fitRidge(features.toReversed(), labels.toReversed());
    expect(turned.strength).toBe(once.strength);
    turned.weights.forEach((value, i) => {
      expect(value).toBeCloseTo(once.weights[i]!, 6);
    });
  });

  test('a rare class is recognised next to a frequent one', () => {
    const { features, labels } = clouds([120, 6], 40, 1);
    const head = fitRidge(features, labels);
    const fresh = clouds([20, 20], 40, 1).features.slice(20);
    const found = fresh.filter((row) => probabilities(head, row)[1]! > 0.5);
    expect(found.length).toBeGreaterThan(15);
  });

  test('random labels give no certain predictions', () => {
    const { features, labels } = clouds([20, 20], 30, 1);
    const next = seededRandom(5).next;
    const shuffled = labels.map(() => `class ${Math.floor(next() * 2)}`);
    const head = fitRidge(features, shuffled);
    for (const row of clouds([10, 10], 30, 1, 9).features) {
      expect(Math.max(...probabilities(head, row))).toBeLessThan(0.9);
    }
  });

  test('constant features do no harm', () => {
    const { features, labels } = clouds([8, 8], 20, 0.5);
    const padded = features.map((row) => Float32Array.from([...row, 7, 0]));
    const head = fitRidge(padded, labels);
    expect([...head.weights, ...head.bias].every(Number.isFinite)).toBe(true);
    expect(head.weights[20]).toBe(0);
    expect(head.looAccuracy).toBe(1);
  });

  test('one label, no images or uneven features are refused', () => {
    const { features, labels } = clouds([3, 3], 5, 1);
    expect(() => fitRidge([], [])).toThrow(RangeError);
    expect(() => fitRidge(features.slice(0, 3), labels.slice(0, 3))).toThrow(/two labels/);
    expect(() => fitRidge([...features, new Float32Array(4)], [...labels, 'x'])).toThrow(RangeError);
    expect(() => fitRidge(features, labels.slice(1))).toThrow(RangeError);
  });
});

test('the leave-one-out formula agrees with real leave-one-out fits', () => {
  // The identity used by fitRidge, with weights, compared with n separate fits.
  const next = seededRandom(3).next;
  const n = 12;
  const x = Matrix.zeros(n, 5).apply(function (this: Matrix, i, j) {
    this.set(i, j, next() - 0.5);
  });
  const y = Matrix.zeros(n, 1).apply(function (this: Matrix, i) {
    this.set(i, 0, next());
  });
  const weight = Array.from({ length: n }, () => 0.5 + next());
  const solve = (rows: number[]) => {
    const part = x.subMatrixRow(rows);
    const system = part.mmul(part.transpose());
    rows.forEach((row, i) => {
      system.set(i, i, system.get(i, i) + 0.3 / weight[row]!);
    });
    const inverse = new CholeskyDecomposition(system).solve(Matrix.eye(rows.length));
    return { inverse, alpha: inverse.mmul(y.subMatrixRow(rows)), part };
  };
  const all = Array.from({ length: n }, (_, i) => i);
  const { inverse, alpha } = solve(all);
  for (const out of all) {
    const fit = solve(all.filter((i) => i !== out));
    const honest = fit.part
      .mmul(x.subMatrixRow([out]).transpose())
      .transpose()
      .mmul(fit.alpha)
      .get(0, 0);
    expect(y.get(out, 0) - alpha.get(out, 0) / inverse.get(out, out)).toBeCloseTo(honest, 10);
  }
});
