/** Trains a head with one hidden layer on the same features, for labels that are not linearly separable. */

import type { Basis } from './basis.ts';
import { seededRandom } from './random.ts';
import type { Tensors } from './tensors.ts';

export interface HiddenOptions {
  readonly units: number;
  readonly seed: number;
  readonly penalty: number;
  readonly steps: number;
  readonly signal?: AbortSignal | undefined;
  /** Receives the scores of every row, [n][K], each `every` steps. */
  readonly onStep?: (step: number, scores: number[][]) => void;
  readonly every: number;
}

export interface HiddenWeights {
  /** [r,H] in the basis. */
  readonly first: Float32Array;
  /** [H,K] */
  readonly second: Float32Array;
  /** [K] */
  readonly bias: Float32Array;
  /** [n][K] */
  readonly scores: number[][];
}

const learningRate = 0.01;

/**
 * relu(Φ·A)·B + c with squared error against class targets, L2 penalty and Adam (Kingma and Ba, ICLR 2015), full batches,
 * seeded initial weights (He et al., ICCV 2015): the same seed gives the same head.
 * @param weight of each row, 0 for a row that is not used
 */
export async function trainHidden(
  tf: Tensors,
  basis: Basis,
  target: readonly number[],
  classes: number,
  weight: Float64Array,
  { units, seed, penalty, steps, signal, onStep, every }: HiddenOptions,
): Promise<HiddenWeights> {
  const count = target.length;
  const { rank } = basis;
  const total = weight.reduce((sum, w) => sum + w, 0);
  const random = seededRandom(seed);
  // Box-Muller transform.
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const drawn = (length: number, deviation: number) =>
    Float32Array.from({ length }, () => deviation * normal());

  tf.engine().startScope();
  try {
    const rows = tf.tensor2d(basis.rows, [count, rank]);
    const transposed = tf.transpose(rows);
    const perRow = tf.tensor2d(
      Float32Array.from(weight, (w) => w / total),
      [count, 1],
    );
    const wanted = new Float32Array(count * classes).fill(-1 / classes);
    target.forEach((k, i) => {
      wanted[i * classes + k]! += 1;
    });
    const truth = tf.tensor2d(wanted, [count, classes]);
    type Matrix = ReturnType<Tensors['tensor2d']>;
    // Rows of the basis have a length of about 1 for any rank.
    let weights: Matrix[] = [
      tf.tensor2d(drawn(rank * units, Math.SQRT2), [rank, units]),
      tf.tensor2d(drawn(units * classes, 1 / Math.sqrt(units)), [units, classes]),
      tf.zeros([1, classes]) as Matrix,
    ];
    let means = weights.map((one) => tf.zerosLike(one) as Matrix);
    let squares = weights.map((one) => tf.zerosLike(one) as Matrix);

    const forward = () => {
      const inner = tf.matMul(rows, weights[0]!);
      const active = tf.relu(inner);
      return { inner, active, scores: tf.add(tf.matMul(active, weights[1]!), weights[2]!) as Matrix };
    };
    for (let step = 1; step <= steps; step++) {
      signal?.throwIfAborted();
      const updated = tf.tidy(() => {
        const { inner, active, scores } = forward();
        const error = tf.mul(tf.sub(scores, truth), perRow) as Matrix;
        const back = tf.mul(
          tf.matMul(error, tf.transpose(weights[1]!)),
          tf.cast(tf.greater(inner, 0), 'float32'),
        ) as Matrix;
        const gradients = [
          tf.add(tf.matMul(transposed, back), tf.mul(weights[0]!, penalty)),
          tf.add(tf.matMul(tf.transpose(active), error), tf.mul(weights[1]!, penalty)),
          tf.sum(error, 0, true),
        ];
        return gradients.map((gradient, i) => {
          const mean = tf.add(tf.mul(means[i]!, 0.9), tf.mul(gradient, 0.1));
          const square = tf.add(tf.mul(squares[i]!, 0.999), tf.mul(tf.square(gradient), 0.001));
          const direction = tf.div(
            tf.div(mean, 1 - 0.9 ** step),
            tf.add(tf.sqrt(tf.div(square, 1 - 0.999 ** step)), 1e-8),
          );
          return { mean, square, next: tf.sub(weights[i]!, tf.mul(direction, learningRate)) };
        });
      });
      tf.dispose([...weights, ...means, ...squares]);
      weights = updated.map(({ next }) => next as Matrix);
      means = updated.map(({ mean }) => mean as Matrix);
      squares = updated.map(({ square }) => square as Matrix);
      if (step % every !== 0 && step !== steps) continue;
      onStep?.(step, await said(tf.tidy(() => forward().scores)));
      // Lets the event loop process cancellation, progress and signals.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [first, second, bias] = await Promise.all(weights.map((one) => one.data()));
    return {
      first: first as Float32Array,
      second: second as Float32Array,
      bias: bias as Float32Array,
      scores: await said(tf.tidy(() => forward().scores)),
    };
  } finally {
    tf.engine().endScope();
  }

  async function said(scores: ReturnType<Tensors['tensor2d']>): Promise<number[][]> {
    const values = await scores.data();
    scores.dispose();
    return target.map((_, i) => Array.from(values.subarray(i * classes, (i + 1) * classes)));
  }
}
