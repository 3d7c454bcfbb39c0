/** The warm-up check: a drawn picture goes in, known features must come out. Pure. */
import type { Image } from '../image.ts';
import type { Check, Precision } from '../manifest.ts';

/** How far features may be off, relative to their length: rounding of a provider, never a wrong weight. */
const tolerance: Readonly<Record<Precision, number>> = { fp32: 0.01, fp16: 0.03, int8: 0.15 };

/** The picture "gradient-1": ramps of different pitch in the three channels, with a few bright squares. */
export function checkImage(width: number, height: number): Image {
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const square = x % 56 > 40 && y % 48 > 30 ? 96 : 0;
      data[at++] = Math.min(255, Math.floor((x * 159) / width) + square);
      data[at++] = Math.min(255, Math.floor((y * 159) / height) + square);
      data[at++] = ((x + 2 * y) * 3) & 127;
    }
  }
  return { width, height, data };
}

/** What a manifest records of the features: 32 values spread evenly, and their length. */
export function recordCheck(features: Float32Array): Check {
  const count = Math.min(32, features.length);
  const values = Array.from({ length: count }, (_, i) => {
    const index = Math.floor((i * features.length) / count);
    return [index, Number(features[index]!.toPrecision(7))];
  });
  return {
    image: 'gradient-1',
    features: Object.fromEntries(values),
    norm: Number(norm(features).toPrecision(7)),
  };
}

/** Why the features are not those of the check; undefined where they are. */
export function checkFailure(check: Check, features: Float32Array, precision: Precision): string | undefined {
  if (!features.every(Number.isFinite)) return 'features are not finite numbers';
  const allowed = tolerance[precision];
  const length = norm(features);
  const lengthError = Math.abs(length - check.norm) / check.norm;
  if (lengthError > allowed) {
    return `features of the check picture have length ${length.toPrecision(4)} instead of ${check.norm.toPrecision(4)}`;
  }
  // Single values may be near zero: compare with a typical value, the length shared out over all.
  const typical = check.norm / Math.sqrt(features.length);
  let squares = 0;
  let scale = 0;
  for (const [index, value] of Object.entries(check.features)) {
    const found = features[Number(index)];
    if (found === undefined) return `there is no feature ${index}: the model gives ${features.length}`;
    squares += (found - value) ** 2;
    scale += Math.max(value ** 2, typical ** 2);
  }
  const error = Math.sqrt(squares / scale);
  if (error <= allowed) return undefined;
  return `features of the check picture are ${(error * 100).toFixed(1)} % off, ${allowed * 100} % are allowed`;
}

function norm(features: Float32Array): number {
  let squares = 0;
  for (const value of features) squares += value * value;
  return Math.sqrt(squares);
}
