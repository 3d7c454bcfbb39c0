/** Linear heads on the features of one network, for all penalties at once. */
import { hellinger } from '../../models/head.ts';
import { basisOf } from '../train/basis.ts';
import { balanced, penalties } from '../train/fit.ts';
import { trainHeads } from '../train/loop.ts';
import { openTensors } from '../train/tensors.ts';

export interface Linear {
  /** Of all rows, by penalty: [penalties][n][K]. */
  readonly scores: readonly (readonly (readonly number[])[])[];
  /** [K,D] and [K], for transformed features. */
  weightsOf(penalty: number): { weights: Float64Array; bias: Float64Array };
}

/** @param isTraining rows that the heads are trained on. @throws the reason of `signal` */
export async function linearHeads(
  features: readonly Float32Array[],
  target: readonly number[],
  classes: number,
  isTraining: (row: number) => boolean,
  signal: AbortSignal | undefined,
): Promise<Linear> {
  const { tf } = await openTensors();
  const even = balanced(target, classes, () => true);
  const basis = basisOf(features.map(hellinger), even);
  const weight = balanced(target, classes, isTraining);
  const variants = penalties.map((penalty) => ({ penalty, weight }));
  const fitted = await trainHeads(tf, basis, target, classes, variants, { signal });
  return {
    scores: fitted.map(({ scores }) => scores),
    weightsOf: (penalty) => basis.unfold(fitted[penalties.indexOf(penalty)]!.coefficients, classes),
  };
}
