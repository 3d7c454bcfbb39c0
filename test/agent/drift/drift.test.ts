import { describe, expect, it } from 'vitest';
import { createDrift } from '../../../agent/drift/drift.ts';
import { referenceOf } from '../../../agent/drift/reference.ts';
import { fitHead } from '../../../calibration/train/fit.ts';
import { type Random, seededRandom } from '../../../calibration/train/random.ts';
import { hellinger } from '../../../models/head.ts';

const size = 128;

/** Pooled features as a rectified base gives them: each label has a level for each feature, each part its own noise. */
function drawn(random: Random, label: 'good' | 'scratch', { gain = 1, shift = 0 } = {}): Float32Array {
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
    Array.from({ length: examplesEach }, () => ({ label, features: drawn(random, label) })),
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
  changed?: Parameters<typeof drawn>[2],
  known = reference,
) {
  const random = seededRandom(2);
  const drift = createDrift(known);
  for (let i = 0; i < parts; i++) {
    drift.add(drawn(random, random.next() < defects ? 'scratch' : 'good', changed));
  }
  return drift.value;
}

describe('drift', () => {
  it('is none for parts like those of the training, whatever the share of defects', () => {
    for (const defects of [0, 0.05, 0.5, 1]) expect(driftAfter(300, defects)).toBeLessThan(0.4);
  });

  it('grows with the change, and passes 1 before parts look like another product', () => {
    const values = [0, 0.03, 0.06, 0.12, 0.24].map((shift) => driftAfter(300, 0.1, { shift })!);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
    expect(values.at(-1)).toBeGreaterThan(1);
  });

  it('does not see a mere gain: neither does the head', () => {
    expect(driftAfter(300, 0.1, { gain: 1.5 })).toBeCloseTo(driftAfter(300, 0.1)!, 3);
  });

  it('says nothing before it has seen enough parts', () => {
    expect(driftAfter(29, 0.1)).toBeUndefined();
    expect(driftAfter(30, 0.1)).toBeLessThan(0.5);
  });

  it('does not take the ignorance of a few examples for a drift', async () => {
    const few = (await referenceOf(await trained(5)))!;
    for (const defects of [0, 0.1, 1]) expect(driftAfter(300, defects, undefined, few)).toBeLessThan(0.6);
    expect(driftAfter(300, 0.1, { shift: 0.24 }, few)).toBeGreaterThan(1);
  });

  it('forgets: some hundred parts after the lamp was cleaned it is over', () => {
    const random = seededRandom(3);
    const drift = createDrift(reference);
    for (let i = 0; i < 300; i++) drift.add(drawn(random, 'good', { shift: 0.24 }));
    expect(drift.value).toBeGreaterThan(1);
    for (let i = 0; i < 600; i++) drift.add(drawn(random, 'good'));
    expect(drift.value).toBeLessThan(0.4);
  });

  it('needs a head that knows enough of its examples', async () => {
    expect(await referenceOf({ ...head, exemplars: undefined })).toBeUndefined();
    expect(await referenceOf({ ...head, exemplars: head.exemplars.slice(0, 5) })).toBeUndefined();
  });

  it('passes over features that are none of this base', () => {
    const drift = createDrift(reference);
    for (let i = 0; i < 50; i++) drift.add(new Float32Array(size / 2).fill(1));
    expect(drift.value).toBeUndefined();
  });
});
