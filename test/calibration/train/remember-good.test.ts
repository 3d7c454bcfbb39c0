import ort from 'onnxruntime-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../calibration/train/random.ts';
import { limitOf, type Remembered, rememberGood } from '../../../calibration/train/remember-good.ts';
import { encodeGoodMemory, oddnessOf } from '../../../models/good-memory.ts';
import type { FeatureMaps } from '../../../models/run/runner.ts';

const [fine, coarse] = [8, 4];

/** Maps of a part; a defect raises some channels of one cell of stage 2. */
function mapsOf(seed: number, defect?: { readonly at: number }): FeatureMaps {
  const random = seededRandom(seed);
  const map = (channels: number, side: number) => ({
    channels,
    height: side,
    width: side,
    data: Float32Array.from(
      { length: channels * side * side },
      (_, i) => 1 + Math.sin(i) + 0.3 * random.next() * (1 + ((i % side) / side) * 2),
    ),
  });
  const stage2 = map(12, fine);
  const stage3 = map(20, coarse);
  if (defect) for (let c = 0; c < 6; c++) stage2.data[c * fine * fine + defect.at]! += 3;
  return { stage2, stage3 };
}

const good = Array.from({ length: 30 }, (_, i) => mapsOf(1 + i));
const group = good.map((_, i) => i);

describe('a head that knows good parts only', () => {
  let made: Remembered;
  beforeAll(() => {
    made = rememberGood(good, { group, seed: 1, falseAlarmRate: 0.1 });
  });

  test('finds a small defect anywhere, and few good parts odd', () => {
    expect(made.memory.cells).toHaveLength(500);
    const odd = (maps: FeatureMaps) => oddnessOf(made.memory, maps) > made.memory.limit;
    const defects = Array.from({ length: 40 }, (_, i) => mapsOf(101 + i, { at: (i * 7) % 64 }));
    expect(defects.filter(odd).length).toBeGreaterThan(36);
    const others = Array.from({ length: 100 }, (_, i) => mapsOf(201 + i));
    expect(others.filter(odd).length).toBeLessThan(15);
    expect(made.promised).toBe(true);
  });

  test('answers in onnxruntime what is computed here', async () => {
    const session = await ort.InferenceSession.create(encodeGoodMemory(made.memory, 'good'));
    for (const maps of [mapsOf(501), mapsOf(502, { at: 9 }), good[0]!]) {
      const answer = await session.run(
        Object.fromEntries(
          (['stage2', 'stage3'] as const).map((name) => {
            const { data, channels, height, width } = maps[name]!;
            return [name, new ort.Tensor('float32', data, [1, channels, height, width])];
          }),
        ),
      );
      const here = 1 / (1 + Math.exp(oddnessOf(made.memory, maps) - made.memory.limit));
      expect(answer.familiarity!.dims).toEqual([1]);
      expect(answer.familiarity!.data[0]).toBeCloseTo(here, 3);
      expect(answer.probabilities!.dims).toEqual([1, 1]);
      expect(answer.probabilities!.data[0]).toBe(1);
    }
    await session.release();
  });

  test('refuses fewer than ten parts, and can be stopped', () => {
    const options = { group, seed: 1, falseAlarmRate: 0.1 };
    expect(() => rememberGood(good.slice(0, 9), options)).toThrow(RangeError);
    const signal = AbortSignal.abort(new Error('stopped'));
    expect(() => rememberGood(good, { ...options, signal })).toThrow('stopped');
  });
});

describe('the limit', () => {
  const ranked = (count: number) => Array.from({ length: count }, (_, i) => i);

  test.each([
    [29, 0.1],
    [59, 0.05],
    [149, 0.02],
    [299, 0.01],
  ])('%i parts promise %d, one fewer does not', (parts, rate) => {
    expect(limitOf(ranked(parts), rate)).toMatchObject({ promised: true, limit: parts - 1 });
    const fewer = limitOf(ranked(parts - 1), rate);
    expect(fewer).toMatchObject({ promised: false, limit: parts - 2 });
    expect(fewer.text).toContain('at least 1 more are needed');
  });

  test('with more parts it may be lower than the largest', () => {
    expect(limitOf(ranked(46), 0.1)).toMatchObject({ promised: true, limit: 44 });
  });

  test('keeps its promise as often as it says', () => {
    let broken = 0;
    for (let draw = 0; draw < 400; draw++) {
      const random = seededRandom(1 + draw);
      const { limit } = limitOf(
        Array.from({ length: 60 }, () => random.next()),
        0.1,
      );
      if (1 - limit > 0.1) broken++;
    }
    expect(broken / 400).toBeLessThan(0.075);
  });
});
