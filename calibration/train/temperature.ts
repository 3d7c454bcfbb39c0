/** Calibrates the probabilities of a head on scores of held-out parts. */

export interface Calibration {
  readonly temperature: number;
  readonly loss: number;
}

/** How scores become probabilities: see `HeadWeights`. */
export interface HeadCalibration {
  readonly temperature: number;
  readonly doubt: number;
}

type Rows = readonly (readonly number[])[];

/**
 * The softmax temperature with the least negative log-likelihood (Guo et al., "On Calibration of Modern Neural Networks",
 * ICML 2017). `rows`: scores, [n][K]. The lower limit bounds the confidence: by default, a full step between two targets is
 * worth at most 10 nats.
 */
export function calibrate(
  rows: Rows,
  target: ArrayLike<number>,
  weight: ArrayLike<number>,
  minTemperature = 0.1,
): Calibration {
  return leastOf((temperature) => meanLoss(rows, target, weight, temperature), minTemperature);
}

/**
 * Temperature of heads on real photographs: median and deviation of the logarithm. The loss on held-out parts of eleven sets hardly
 * changes between 0.1 and 0.2, and between deviations of 0.3 and 0.8 (docs/benchmarks.md).
 */
const usualTemperature = 0.15;
const usualDeviation = 0.5;
/** A full step between two targets is worth at most 40 nats. */
const minTemperature = 0.025;

/**
 * Temperature and limit of the probabilities that so few parts justify.
 *
 * The likelihood alone makes a head certain as soon as all held-out parts are right, which with few parts happens by luck:
 * the best temperature is then 0. The maximum of the posterior with a log-normal prior of usual temperatures avoids this, and
 * approaches the likelihood with more parts. `doubt` is the expected error rate after no mistake in n parts, 1 / (2n + 2) (the
 * prior of Jeffreys, 1946): no part can justify more certainty than the parts that the head was tested on. n counts
 * the parts of all labels as far as they weigh the same (Kish, "Survey Sampling", 1965): few parts of one label count little.
 * @param splits held-out scores of the same examples in several splits into folds, [S][n][K]
 * @param weight of each example; all labels have the same total
 * @param parts number of different parts of each label
 */
export function calibrateHead(
  splits: readonly Rows[],
  target: ArrayLike<number>,
  weight: ArrayLike<number>,
  parts: readonly number[],
): HeadCalibration {
  const count = effectiveParts(parts);
  const { temperature } = leastOf((temperature) => {
    const loss = splits.reduce((sum, rows) => sum + meanLoss(rows, target, weight, temperature), 0);
    const deviation = Math.log(temperature / usualTemperature) / usualDeviation;
    return (count * loss) / splits.length + deviation ** 2 / 2;
  }, minTemperature);
  return { temperature, doubt: 0.5 / (count + 1) };
}

/** K² / Σ(1/n): the number of parts if every label has the same number. */
export function effectiveParts(parts: readonly number[]): number {
  return parts.length ** 2 / parts.reduce((sum, count) => sum + 1 / count, 0);
}

/** Weighted mean of the negative log-likelihood, nats. */
function meanLoss(
  rows: Rows,
  target: ArrayLike<number>,
  weight: ArrayLike<number>,
  temperature: number,
): number {
  let [sum, total] = [0, 0];
  rows.forEach((row, i) => {
    const top = Math.max(...row);
    const partition = row.reduce((z, score) => z + Math.exp((score - top) / temperature), 0);
    sum += weight[i]! * (Math.log(partition) - (row[target[i]!]! - top) / temperature);
    total += weight[i]!;
  });
  return sum / total;
}

/** Golden-section search over the logarithm of the temperature; the loss is convex in 1 / temperature. */
function leastOf(lossAt: (temperature: number) => number, minTemperature: number): Calibration {
  let low = Math.log(minTemperature);
  let high = Math.log(100);
  const ratio = (Math.sqrt(5) - 1) / 2;
  for (let step = 0; step < 40; step++) {
    const left = high - ratio * (high - low);
    const right = low + ratio * (high - low);
    if (lossAt(Math.exp(left)) < lossAt(Math.exp(right))) high = right;
    else low = left;
  }
  const temperature = Math.exp((low + high) / 2);
  return { temperature, loss: lossAt(temperature) };
}
