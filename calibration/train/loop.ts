/** The training loop: trains many linear heads in one batch, each with its own rows and penalty. */
import type { Basis } from './basis.ts';
import type { Tensors } from './tensors.ts';

/** One head of the batch. */
export interface Variant {
  /** [n], 0 for a row that is not used. */
  readonly weight: Float64Array;
  /** L2 penalty on the coefficients, relative to a mean squared error. */
  readonly penalty: number;
}

export interface Fitted {
  /** [r,K] in the basis. */
  readonly coefficients: Float32Array;
  /** Of every row, whether used or not: [n][K]. */
  readonly scores: number[][];
}

export interface LoopOptions {
  readonly steps?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((done: number, total: number) => void) | undefined;
}

/** Converged if the largest change of a coefficient in one step is less than this, relative to the largest coefficient. */
const tolerance = 2e-4;

/**
 * Least-squares classification with an L2 penalty (Rifkin and Klautau, "In Defense of One-Vs-All Classification", JMLR 5,
 * 2004): with few samples it is more stable than the logistic loss. All variants share one matrix product per step, so that a
 * cross-validation over many penalties costs little more than one fit. Accelerated gradient descent from zero (Nesterov,
 * "Introductory Lectures on Convex Optimization", 2.2.11): deterministic because the problem is convex; stops early on convergence.
 * @param target class of each row, 0 to classes - 1
 * @throws the reason of `signal`, between two steps
 */
export async function trainHeads(
  tf: Tensors,
  basis: Basis,
  target: readonly number[],
  classes: number,
  variants: readonly Variant[],
  { steps = 300, signal, onStep }: LoopOptions = {},
): Promise<Fitted[]> {
  const count = target.length;
  const { rank } = basis;
  const columns = variants.length * classes;
  const totals = variants.map(({ weight }) => weight.reduce((sum, w) => sum + w, 0));
  /** [n,M·K]: weight of a row in each variant. */
  const perRow = new Float32Array(count * columns);
  const wanted = new Float32Array(count * columns);
  for (let i = 0; i < count; i++) {
    variants.forEach(({ weight }, m) => {
      for (let k = 0; k < classes; k++) perRow[i * columns + m * classes + k] = weight[i]! / totals[m]!;
      for (let k = 0; k < classes; k++) {
        wanted[i * columns + m * classes + k] = (k === target[i] ? 1 : 0) - 1 / classes;
      }
    });
  }

  tf.engine().startScope();
  try {
    const rows = tf.tensor2d(basis.rows, [count, rank]);
    // Multiplying by a stored transpose is ten times as fast as the transpose option of matMul.
    const transposed = tf.transpose(rows);
    const weight = tf.tensor2d(perRow, [count, columns]);
    const truth = tf.tensor2d(wanted, [count, columns]);
    const curvature = await topCurvature(tf, rows, transposed, variants, totals);
    const perColumn = (value: (m: number) => number) =>
      tf.tensor2d(
        Float32Array.from({ length: columns }, (_, c) => value(Math.floor(c / classes))),
        [1, columns],
      );
    const penalty = perColumn((m) => variants[m]!.penalty);
    // 10 % margin, because the power iteration converges from below.
    const lipschitz = (m: number) => 1.1 * curvature[m]! + variants[m]!.penalty;
    const stepSize = perColumn((m) => 1 / lipschitz(m));
    const momentum = perColumn((m) => {
      const q = Math.sqrt(variants[m]!.penalty / lipschitz(m));
      return (1 - q) / (1 + q);
    });

    let coefficients = tf.zeros([rank, columns]) as ReturnType<Tensors['tensor2d']>;
    let ahead = coefficients.clone();
    for (let step = 1; step <= steps; step++) {
      signal?.throwIfAborted();
      const [next, further, change] = tf.tidy(() => {
        const scores = tf.matMul(rows, ahead);
        const error = tf.mul(tf.sub(scores, truth), weight);
        const gradient = tf.add(tf.matMul(transposed, error), tf.mul(ahead, penalty));
        const moved = tf.sub(ahead, tf.mul(gradient, stepSize));
        const difference = tf.sub(moved, coefficients);
        const biggest = tf.div(tf.max(tf.abs(difference)), tf.add(tf.max(tf.abs(moved)), 1e-12));
        return [moved, tf.add(moved, tf.mul(difference, momentum)), biggest] as const;
      });
      tf.dispose([coefficients, ahead]);
      coefficients = next as typeof coefficients;
      ahead = further as typeof ahead;
      const moves = (await change.data())[0]!;
      change.dispose();
      onStep?.(step, steps);
      if (moves < tolerance) break;
      // Lets the event loop process cancellation, progress and signals.
      if (step % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const found = await coefficients.data();
    const scores = await tf.matMul(rows, coefficients).data();
    return variants.map((_, m) => ({
      coefficients: Float32Array.from(
        { length: rank * classes },
        (_, at) => found[Math.floor(at / classes) * columns + m * classes + (at % classes)]!,
      ),
      scores: Array.from({ length: count }, (_, i) =>
        Array.from({ length: classes }, (_, k) => scores[i * columns + m * classes + k]!),
      ),
    }));
  } finally {
    tf.engine().endScope();
  }
}

/** The largest eigenvalue of each variant's ΦᵀWΦ / Σw, by power iteration from a fixed start. */
async function topCurvature(
  tf: Tensors,
  rows: ReturnType<Tensors['tensor2d']>,
  transposed: ReturnType<Tensors['tensor2d']>,
  variants: readonly Variant[],
  totals: readonly number[],
): Promise<ArrayLike<number>> {
  const [count, rank] = rows.shape;
  const each = new Float32Array(count * variants.length);
  variants.forEach(({ weight }, m) => {
    for (let i = 0; i < count; i++) each[i * variants.length + m] = weight[i]! / totals[m]!;
  });
  const top = tf.tidy(() => {
    const weight = tf.tensor2d(each, [count, variants.length]);
    let direction = tf.tensor2d(
      Float32Array.from(
        { length: rank * variants.length },
        (_, at) => 1 + (Math.floor(at / variants.length) % 7) / 7,
      ),
      [rank, variants.length],
    );
    let length = tf.norm(direction, 2, 0);
    for (let step = 0; step < 20; step++) {
      direction = tf.div(direction, length);
      direction = tf.matMul(transposed, tf.mul(tf.matMul(rows, direction), weight)) as typeof direction;
      length = tf.norm(direction, 2, 0);
    }
    return length;
  });
  return top.data();
}
