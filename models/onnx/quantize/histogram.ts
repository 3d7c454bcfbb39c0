/** Histogram of the values of one tensor over many images, in bounded memory. */

/** Number of bins for each sign; at least half of them are used. */
export const bins = 2_048;

/** The values of one tensor. Bins of width `limit / bins` count |x|, separately for negative and positive values. */
export class Histogram {
  min = 0;
  max = 0;
  limit = 0;
  readonly positive = new Float64Array(bins);
  readonly negative = new Float64Array(bins);

  /** Counts the values. If a value exceeds the limit, the width of the bins is doubled as often as necessary. */
  add(values: Float32Array): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value > this.max) this.max = value;
      else if (value < this.min) this.min = value;
    }
    const reach = Math.max(this.max, -this.min);
    if (reach === 0) {
      this.positive[0]! += values.length;
      return;
    }
    if (this.limit === 0) this.limit = reach;
    while (this.limit < reach) this.widen();
    const perUnit = bins / this.limit;
    const { positive, negative } = this;
    for (let i = 0; i < values.length; i++) {
      const at = values[i]! * perUnit;
      if (at >= 0) positive[at < bins ? at | 0 : bins - 1]!++;
      else negative[-at < bins ? -at | 0 : bins - 1]!++;
    }
  }

  private widen(): void {
    for (const counts of [this.positive, this.negative]) {
      for (let i = 0; i < bins / 2; i++) counts[i] = counts[2 * i]! + counts[2 * i + 1]!;
      counts.fill(0, bins / 2);
    }
    this.limit *= 2;
  }
}
