/** The warm-up check: a drawn test image must give known features. Pure. */
import type { Image } from '../image.ts';
import type { Check, Precision } from '../manifest.ts';

/** Allowed error relative to the length of the features: enough for rounding, but not for a wrong weight. */
const tolerance: Readonly<Record<Precision, number>> = { fp32: 0.01, fp16: 0.03, int8: 0.15 };

/** The test image "gradient-1": ramps of different pitch in the three channels, with a few bright squares. */
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

/** The check values for a manifest: 32 evenly spaced features and the Euclidean length of all. */
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

/** Why the features fail the check; undefined if they pass. */
export function checkFailure(check: Check, features: Float32Array, precision: Precision): string | undefined {
  if (!features.every(Number.isFinite)) return 'features are not finite numbers';
  const allowed = tolerance[precision];
  const length = norm(features);
  const lengthError = Math.abs(length - check.norm) / check.norm;
  if (lengthError > allowed) {
    return `features of the test image have length ${length.toPrecision(4)} instead of ${check.norm.toPrecision(4)}`;
  }
  // Single values may be near zero: the error is relative to at least the root mean square.
  const typical = check.norm / Math.sqrt(features.length);
  let squares = 0;
  let scale = 0;
  for (const [index, value] of Object.entries(check.features)) {
    const found = features[Number(index)];
    if (found === undefined) return `there is no feature ${index}: the model has ${features.length}`;
    squares += (found - value) ** 2;
    scale += Math.max(value ** 2, typical ** 2);
  }
  const error = Math.sqrt(squares / scale);
  if (error <= allowed) return undefined;
  return `features of the test image differ by ${(error * 100).toFixed(1)} %, ${allowed * 100} % are allowed`;
}

function norm(features: Float32Array): number {
  let squares = 0;
  for (const value of features) squares += value * value;
  return Math.sqrt(squares);
}
