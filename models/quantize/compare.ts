/** Similarity of signals. Pure. */

/** Pearson's correlation; 1 if both are constant. */
export function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [both, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB];
    both += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  if (squaresA === 0 && squaresB === 0) return 1;
  return squaresA === 0 || squaresB === 0 ? 0 : both / Math.sqrt(squaresA * squaresB);
}

/** Accumulates signal and noise power over any number of images. */
export class Noise {
  private signal = 0;
  private noise = 0;

  add(exact: Float32Array, changed: Float32Array): void {
    for (let i = 0; i < exact.length; i++) {
      const value = exact[i]!;
      const error = value - changed[i]!;
      this.signal += value * value;
      this.noise += error * error;
    }
  }

  /** Noise power relative to signal power. */
  get share(): number {
    return this.signal > 0 ? this.noise / this.signal : 0;
  }

  /** Signal to quantization noise ratio, dB; at most 120. */
  get decibels(): number {
    return Math.min(120, -10 * Math.log10(Math.max(this.share, 1e-12)));
  }
}
