import { expect, test } from 'vitest';
import { defectKinds } from '../../../agent/demo/defects.ts';
import { type PartPlan, paintPart, type Sprite } from '../../../agent/demo/part.ts';
import { shapeKinds } from '../../../agent/demo/shapes.ts';
import { surfaceKinds } from '../../../agent/demo/surfaces.ts';

const radius = 60;
const paint = (plan: Partial<PartPlan>) =>
  paintPart(
    { label: 'good', shape: 'washer', surface: 'brushed', rotation: 0.2, seed: 1, ...plan },
    radius,
    -2.3,
  );

/** Share of the good part's pixels that look clearly different. */
function changed(good: Sprite, bad: Sprite): number {
  let part = 0;
  let different = 0;
  for (let at = 0; at < good.belt.length; at++) {
    if (good.belt[at] !== 0) continue;
    part++;
    const apart = [0, 1, 2].map((c) => Math.abs(good.colour[at * 3 + c]! - bad.colour[at * 3 + c]!));
    if (Math.max(...apart) > 25) different++;
  }
  return different / part;
}

test.each(defectKinds)(
  'a %s is clearly visible on every shape and surface, and does not change most of the part',
  (label) => {
    for (const shape of shapeKinds) {
      for (const surface of surfaceKinds) {
        for (let seed = 0; seed < 3; seed++) {
          const share = changed(paint({ shape, surface, seed }), paint({ shape, surface, seed, label }));
          expect(share, `${shape} ${surface} ${seed}`).toBeGreaterThan(0.02);
          expect(share, `${shape} ${surface} ${seed}`).toBeLessThan(0.6);
        }
      }
    }
  },
);

test('the same plan paints the same part', () => {
  expect(paint({ label: 'crack', seed: 9 })).toEqual(paint({ label: 'crack', seed: 9 }));
  expect(paint({ label: 'crack', seed: 9 })).not.toEqual(paint({ label: 'crack', seed: 10 }));
});

test('no shape exceeds its square', () => {
  for (const shape of shapeKinds) {
    const { side, belt } = paint({ shape, rotation: 0.7 });
    for (let at = 0; at < side; at++) {
      const edge = [belt[at], belt[(side - 1) * side + at], belt[at * side], belt[at * side + side - 1]];
      expect(edge).toEqual([255, 255, 255, 255]);
    }
  }
});
