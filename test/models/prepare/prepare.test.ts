import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { BaseInput } from '../../../models/manifest.ts';
import { makePlain } from '../../../models/prepare/plain.ts';
import { makePrepare } from '../../../models/prepare/prepare.ts';
import { hasVectors, makeVector } from '../../../models/prepare/vector.ts';
import { formulaImage } from '../formula-image.ts';

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
      readFileSync(new URL('../../../../test/models/fixtures/resize-pillow.json', import.meta.url), 'utf8'),
    ),
  );

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

/** Both implementations; vectors if the processor supports them. */
const ways = { plain: makePlain, ...(hasVectors() && { vector: makeVector }) };

describe.each(Object.entries(ways))(`resize is Pillow ${recorded.pillow}, bit for bit: %s`, (_, make) => {
  for (const { from, to, first, last, sha256 } of recorded.cases) {
    test(`${from.join('×')} to ${to.join('×')}`, () => {
      const out = make({ ...input, width: to[0], height: to[1] }).resize(formulaImage(...from));
      expect(Buffer.from(out.subarray(0, 12)).toString('hex')).toBe(first);
      expect(Buffer.from(out.subarray(-12)).toString('hex')).toBe(last);
      expect(createHash('sha256').update(out).digest('hex')).toBe(sha256);
    });
  }

  test('one resize serves images of changing size', () => {
    const { resize } = make({ ...input, width: 224, height: 224 });
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

describe.runIf(hasVectors())('vectors give the same result as plain JavaScript, bit for bit', () => {
  const bits = (tensor: Float32Array) =>
    createHash('sha256').update(new Uint8Array(tensor.buffer)).digest('hex');

  /** Random sizes, layout and pixels, the same each time. */
  const cases = Array.from({ length: 120 }, (_, seed) => {
    const random = xorshift(seed + 1);
    const upTo = (most: number) => 1 + Math.floor(random() ** 2 * most);
    const from: [number, number] = [upTo(700), upTo(700)];
    const to: [number, number] = seed % 4 === 0 ? [224, 224] : [upTo(300), upTo(300)];
    // Sometimes wide tensors, so that one side is not scaled.
    if (seed % 10 === 1) from[0] = to[0];
    if (seed % 10 === 2) from[1] = to[1];
    return { from, to, random };
  });

  test.each(cases)('$from to $to', ({ from, to, random }) => {
    const of = { ...input, width: to[0], height: to[1] };
    const layouts = [of, { ...of, layout: 'NHWC', channels: 'BGR' } as const];
    const data = Uint8Array.from({ length: from[0] * from[1] * 3 }, () => random() * 256);
    for (const one of layouts) {
      const image = { width: from[0], height: from[1], data };
      const [plain, vector] = [makePlain(one), makeVector(one)];
      expect(Buffer.compare(vector.resize(image), plain.resize(image))).toBe(0);
      const tensors = [plain, vector].map(({ fill }) => {
        const tensor = new Float32Array(to[0] * to[1] * 3);
        fill(image, tensor);
        return bits(tensor);
      });
      expect(tensors[1]).toBe(tensors[0]);
    }
  });

  test('the extremes: all white, all black, an image far larger than the base, one far smaller', () => {
    const of = { ...input, width: 224, height: 224 };
    const [plain, vector] = [makePlain(of), makeVector(of)];
    for (const [width, height] of [
      [4000, 3000],
      [1, 1],
      [9000, 2],
      [2, 9000],
      [224, 224],
    ] as const) {
      for (const value of [0, 255, undefined]) {
        const image = formulaImage(width, height);
        if (value !== undefined) image.data.fill(value);
        expect(Buffer.compare(vector.resize(image), plain.resize(image))).toBe(0);
      }
    }
  });

  test('it is used', () => {
    const image = formulaImage(90, 70);
    const tensor = new Float32Array(18);
    makeVector(input).fill(image, tensor);
    expect(bits(makePrepare(input)(image).slice())).toBe(bits(tensor));
  });
});

test('the kernel agrees with its source', () => {
  const script = fileURLToPath(new URL('../../../../models/prepare/assemble.mjs', import.meta.url));
  execFileSync(process.execPath, [script, '--check']);
});

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

  test('an image whose bytes do not fit its size is refused', () => {
    const prepare = makePrepare(input);
    expect(() => prepare({ width: 4, height: 2, data: image.data })).toThrow(
      /4×2 pixels cannot have 18 bytes/,
    );
    expect(() => prepare({ width: 0, height: 0, data: new Uint8Array(0) })).toThrow(/0×0/);
  });
});

function xorshift(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
