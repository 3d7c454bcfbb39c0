import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { BaseInput } from '../../models/manifest.ts';
import { makePrepare, makeResize } from '../../models/prepare.ts';
import { formulaImage } from './formula-image.ts';

const size = z.tuple([z.number(), z.number()]);
const recorded = z
  .object({
    pillow: z.string(),
    cases: z.array(
      z.object({ from: size, to: size, first: z.string(), last: z.string(), sha256: z.string() }),
    ),
  })
  .parse(
    JSON.parse(
      readFileSync(new URL('../../../test/models/fixtures/resize-pillow.json', import.meta.url), 'utf8'),
    ),
  );

describe(`resize is Pillow ${recorded.pillow}, bit for bit`, () => {
  for (const { from, to, first, last, sha256 } of recorded.cases) {
    test(`${from.join('×')} to ${to.join('×')}`, () => {
      const out = makeResize(...to)(formulaImage(...from));
      expect(Buffer.from(out.subarray(0, 12)).toString('hex')).toBe(first);
      expect(Buffer.from(out.subarray(-12)).toString('hex')).toBe(last);
      expect(createHash('sha256').update(out).digest('hex')).toBe(sha256);
    });
  }

  test('one resize serves pictures of changing size', () => {
    const resize = makeResize(224, 224);
    const cases = recorded.cases.filter(({ to }) => to[0] === 224 && to[1] === 224);
    for (const { from, sha256 } of [...cases, ...cases.toReversed()]) {
      expect(
        createHash('sha256')
          .update(resize(formulaImage(...from)))
          .digest('hex'),
      ).toBe(sha256);
    }
  });
});

const input: BaseInput = {
  name: 'input',
  layout: 'NCHW',
  width: 3,
  height: 2,
  channels: 'RGB',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
const image = formulaImage(3, 2);
const expected = (pixel: number, channel: number, at: number) =>
  Math.fround((image.data[pixel * 3 + channel]! / 255 - input.mean[at]!) / input.std[at]!);

describe('the tensor', () => {
  test('NCHW, RGB: planes of (x/255 − mean) / std', () => {
    const tensor = makePrepare(input)(image);
    for (let at = 0; at < 3; at++) {
      for (let pixel = 0; pixel < 6; pixel++) {
        expect(tensor[at * 6 + pixel]).toBeCloseTo(expected(pixel, at, at), 6);
      }
    }
  });

  test('NHWC, BGR: interleaved, mean and std in the order of the tensor', () => {
    const tensor = makePrepare({ ...input, layout: 'NHWC', channels: 'BGR' })(image);
    for (let at = 0; at < 3; at++) {
      for (let pixel = 0; pixel < 6; pixel++) {
        expect(tensor[pixel * 3 + at]).toBeCloseTo(expected(pixel, 2 - at, at), 6);
      }
    }
  });

  test('the same buffer is used again', () => {
    const prepare = makePrepare(input);
    expect(prepare(image)).toBe(prepare(formulaImage(50, 40)));
  });

  test('a picture whose bytes do not fit its size is refused', () => {
    const prepare = makePrepare(input);
    expect(() => prepare({ width: 4, height: 2, data: image.data })).toThrow(
      /4×2 pixels of RGB do not fit 18 bytes/,
    );
    expect(() => prepare({ width: 0, height: 0, data: new Uint8Array(0) })).toThrow(/0×0/);
  });
});
