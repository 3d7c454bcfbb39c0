import { describe, expect, it } from 'vitest';
import { createDrift } from '../../../agent/drift/drift.ts';
import { referenceOf } from '../../../agent/drift/reference.ts';
import { fitHead } from '../../../calibration/train/fit.ts';
import { type Random, seededRandom } from '../../../calibration/train/random.ts';
import { hellinger } from '../../../models/head.ts';

const size = 128;

/**
 * Pooled features like those of a base with rectification: each label has a level for each feature, each part its own
 * noise.
 */
function randomFeatures(
  random: Random,
  label: 'good' | 'scratch',
  { gain = 1, shift = 0 } = {},
): Float32Array {
  const levels = seededRandom(label === 'good' ? 11 : 12);
  const common = seededRandom(13);
  return Float32Array.from({ length: size }, (_, d) => {
    const level = common.next() + 0.5 * levels.next();
    const noise = 0.3 * (random.next() + random.next() + random.next() - 1.5);
    return Math.max(0, gain * (level + noise) + (d % 2 === 0 ? shift : -shift));
  });
}

async function trained(examplesEach: number) {
  const random = seededRandom(1);
  const examples = (['good', 'scratch'] as const).flatMap((label) =>
    Array.from({ length: examplesEach }, () => ({ label, features: randomFeatures(random, label) })),
  );
  const head = await fitHead(
    examples.map(({ label, features }, group) => ({ views: new Map([[0, features]]), label, group })),
    { seed: 1 },
  );
  return { ...head, exemplars: examples.map(({ features }) => hellinger(features)) };
}

const head = await trained(40);
const reference = (await referenceOf(head))!;

function driftAfter(
  parts: number,
  defects: number,
  changed?: Parameters<typeof randomFeatures>[2],
  known = reference,
) {
  const random = seededRandom(2);
  const drift = createDrift(known);
  for (let i = 0; i < parts; i++) {
    drift.add(randomFeatures(random, random.next() < defects ? 'scratch' : 'good', changed));
  }
  return drift.value;
}

describe('drift', () => {
  it('is small for parts like those of the training, for any share of defects', () => {
    for (const defects of [0, 0.05, 0.5, 1]) expect(driftAfter(300, defects)).toBeLessThan(0.4);
  });

  it('increases with the change, and exceeds 1 before parts look like another product', () => {
    const values = [0, 0.03, 0.06, 0.12, 0.24].map((shift) => driftAfter(300, 0.1, { shift })!);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
    expect(values.at(-1)).toBeGreaterThan(1);
  });

  it('ignores a change of gain, as the head does', () => {
    expect(driftAfter(300, 0.1, { gain: 1.5 })).toBeCloseTo(driftAfter(300, 0.1)!, 3);
  });

  it('has no value before it has seen enough parts', () => {
    expect(driftAfter(29, 0.1)).toBeUndefined();
    expect(driftAfter(30, 0.1)).toBeLessThan(0.5);
  });

  it('does not report drift because of few examples', async () => {
    const few = (await referenceOf(await trained(5)))!;
    for (const defects of [0, 0.1, 1]) expect(driftAfter(300, defects, undefined, few)).toBeLessThan(0.6);
    expect(driftAfter(300, 0.1, { shift: 0.24 }, few)).toBeGreaterThan(1);
  });

  it('returns to normal some hundred parts after the lamp was cleaned', () => {
    const random = seededRandom(3);
    const drift = createDrift(reference);
    for (let i = 0; i < 300; i++) drift.add(randomFeatures(random, 'good', { shift: 0.24 }));
    expect(drift.value).toBeGreaterThan(1);
    for (let i = 0; i < 600; i++) drift.add(randomFeatures(random, 'good'));
    expect(drift.value).toBeLessThan(0.4);
  });

  it('needs a head with enough examples', async () => {
    expect(await referenceOf({ ...head, exemplars: undefined })).toBeUndefined();
    expect(await referenceOf({ ...head, exemplars: head.exemplars.slice(0, 5) })).toBeUndefined();
  });

  it('ignores features of another base', () => {
    const drift = createDrift(reference);
    for (let i = 0; i < 50; i++) drift.add(new Float32Array(size / 2).fill(1));
    expect(drift.value).toBeUndefined();
  });
});
