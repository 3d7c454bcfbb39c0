import { expect, it } from 'vitest';
import { sizedBases, sizesFor, usualSize } from '../../../calibration/compare/sizes.ts';

const input = { width: 224, height: 224 };

it('proposes inputs with the shape of the frames, as large as the frames have pixels', () => {
  expect(sizesFor(input, { width: 1130, height: 460 })).toEqual([
    { width: 352, height: 144 },
    { width: 528, height: 208 },
    { width: 704, height: 288 },
  ]);
  expect(sizesFor(input, { width: 569, height: 320 })).toEqual([
    { width: 304, height: 160 },
    { width: 448, height: 256 },
    { width: 592, height: 336 },
  ]);
  // Square frames that are hardly larger than the input
  expect(sizesFor(input, { width: 240, height: 240 })).toEqual([]);
  expect(sizesFor(input, { width: 320, height: 320 })).toEqual([{ width: 336, height: 336 }]);
});

it('names the base in use at these sizes, and without a size if it has one', () => {
  const frame = { width: 320, height: 320 };
  expect(sizedBases('one', input, frame)).toEqual(['one@336x336']);
  expect(sizedBases('one@336x336', input, frame)).toEqual(['one']);
  expect(usualSize([frame, { width: 10, height: 500 }, { width: 900, height: 330 }])).toEqual({
    width: 320,
    height: 330,
  });
});
