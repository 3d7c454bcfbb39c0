/** Input sizes of the base in use that are worth comparing for the frames of a station. Pure. */
import { median } from '../../models/median.ts';
import { type InputSize, nearestSize, sizedName, splitSize } from '../../models/sized.ts';

/** Factors for the sides of the input. */
const factors = [1, 1.5, 2];
/** Shapes that differ by less count as the same. */
const sameShape = 1.15;
/** An image may be enlarged by this factor; more would add pixels and no detail. */
const maxEnlarged = 1.1;

/**
 * Sizes with the shape of the frames: as many pixels as the input has now, and more as far as the frames have them.
 * @param input of the base without a size @param frame usual size of a frame
 */
export function sizesFor(input: InputSize, frame: InputSize): InputSize[] {
  const shape = frame.width / frame.height;
  const pixels = input.width * input.height;
  const change = (shape * input.height) / input.width;
  const isSquashed = Math.max(change, 1 / change) > sameShape;
  const sizes = factors.flatMap((factor) => {
    if (factor === 1 && !isSquashed) return [];
    const height = factor * Math.sqrt(pixels / shape);
    if (factor > 1 && height > maxEnlarged * frame.height) return [];
    return [nearestSize({ width: height * shape, height })];
  });
  return sizes.filter(({ width, height }) => width !== input.width || height !== input.height);
}

/** Names of the base in use at these sizes, and without a size. @param base name or path of the base in use */
export function sizedBases(base: string, input: InputSize, frame: InputSize): string[] {
  const { plain } = splitSize(base);
  return [plain, ...sizesFor(input, frame).map((size) => sizedName(plain, size))].filter(
    (name) => name !== base,
  );
}

/** The median width and height. @param frames at least one */
export function usualSize(frames: readonly InputSize[]): InputSize {
  return {
    width: median(frames.map(({ width }) => width)),
    height: median(frames.map(({ height }) => height)),
  };
}
