/** Temperature scaling, so that probabilities are calibrated. */

export interface Calibration {
  readonly temperature: number;
  readonly loss: number;
}

/**
 * The softmax temperature with the least negative log-likelihood, by golden-section search over its
 * logarithm (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). `rows`: scores, [n][K].
 */
export function calibrate(
  rows: readonly (readonly number[])[],
  target: ArrayLike<number>,
  weight: ArrayLike<number>,
  minTemperature = 0.1,
): Calibration {
  const total = rows.reduce((sum, _, i) => sum + weight[i]!, 0);
  const loss = (logTemperature: number) => {
    const temperature = Math.exp(logTemperature);
    let sum = 0;
    rows.forEach((row, i) => {
      const top = Math.max(...row);
      const partition = row.reduce((z, score) => z + Math.exp((score - top) / temperature), 0);
      sum += weight[i]! * (Math.log(partition) - (row[target[i]!]! - top) / temperature);
    });
    return sum / total;
  };
  // The loss is convex in 1/temperature. The lower limit bounds the confidence that few images can justify: by default, a full
  // step between two targets is worth at most 10 nats.
  let low = Math.log(minTemperature);
  let high = Math.log(100);
  const ratio = (Math.sqrt(5) - 1) / 2;
  for (let step = 0; step < 40; step++) {
    const left = high - ratio * (high - low);
    const right = low + ratio * (high - low);
    if (loss(left) < loss(right)) high = right;
    else low = left;
  }
  const best = (low + high) / 2;
  return { temperature: Math.exp(best), loss: loss(best) };
}
