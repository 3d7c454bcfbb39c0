/** How much of a signal is left. Pure. */

/** Pearson's correlation; 1 where neither varies. */
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

/** Signal and what was changed of it, over any number of pictures. */
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

  /** Share of the signal's power that is noise. */
  get share(): number {
    return this.signal > 0 ? this.noise / this.signal : 0;
  }

  /** Signal to quantization noise ratio, dB; 120 where there is none to speak of. */
  get decibels(): number {
    return Math.min(120, -10 * Math.log10(Math.max(this.share, 1e-12)));
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
