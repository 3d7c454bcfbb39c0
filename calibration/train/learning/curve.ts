/**
 * Models the error for n labels as an inverse power law with a limit, a + b·n^-c: the form with few parameters that fits
 * learning curves of classifiers best (Cortes, Jackel, Solla, Vapnik, Denker, "Learning Curves: Asymptotic Values and Rate
 * of Convergence", NIPS 1993; Viering and Loog, "The Shape of Learning Curves: A Review", TPAMI 45, 2023, §4.1).
 *
 * Four points do not determine a and c. Every pair on a grid is weighted by how well it explains the points (Bayesian model
 * averaging, as in Domhan, Springenberg, Hutter, IJCAI 2015), given the covariance of the points from a bootstrap: the
 * points share their parts, so their differences are known better than their values. Parameters that the points do not
 * determine widen the interval. Pure.
 */
import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** Errors in shares, 0 to 1, at ascending numbers of labels. */
export interface CurvePoints {
  readonly labels: readonly number[];
  readonly errors: readonly number[];
  /** [points][points]: covariance of the errors with other parts. */
  readonly covariance: readonly (readonly number[])[];
}

/** Shares, 0 to 1, with the interval of `confidence`. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface LearningCurve {
  /** Expected error at this number of labels. */
  errorAt(labels: number): Estimate;
  /** Decrease of the error from one number of labels to a larger one; at least 0. */
  gain(from: number, to: number): Estimate;
}

/** Two-sided confidence of the intervals. */
export const confidence = 0.8;

/** The limit of the error, as a share of the error at the last point. */
const floors = Array.from({ length: 10 }, (_, i) => i / 10);
/** Most curves still fall at so few labels: without this prior, the average would predict too small gains from few points. */
const priorOf = (floor: number) => (1 - floor) ** 2;
/** Exponents found in practice: 1/2 for hard classes, 1 and more for separable classes. */
const exponents = Array.from({ length: 12 }, (_, i) => 0.1 + i / 8);
/** The error at the last point is uncertain: its distribution is divided into this many equally probable intervals. */
const quantiles = [-1.383, -0.6745, -0.2104, 0.2104, 0.6745, 1.383];

interface Candidate {
  readonly floor: number;
  readonly exponent: number;
  /** Error at the last point. */
  readonly error: number;
  readonly weight: number;
}

/** @throws RangeError for fewer than two points, or an invalid covariance */
export function fitLearningCurve({ labels, errors, covariance }: CurvePoints): LearningCurve {
  if (labels.length < 2) throw new RangeError('a learning curve needs at least two points');
  const last = labels.at(-1)!;
  const shapeAt = (floor: number, exponent: number, at: number) =>
    floor + (1 - floor) * (at / last) ** -exponent;
  const inverse = new CholeskyDecomposition(new Matrix(covariance.map((row) => [...row]))).solve(
    Matrix.eye(labels.length),
  );
  const observed = Matrix.columnVector([...errors]);
  const found = floors.flatMap((floor) =>
    exponents.map((exponent) => {
      // Linear in the error at the last point: generalised least squares.
      const shape = Matrix.columnVector(labels.map((at) => shapeAt(floor, exponent, at)));
      const information = product(shape, inverse, shape);
      const error = product(shape, inverse, observed) / information;
      const rest = Matrix.sub(observed, Matrix.mul(shape, error));
      return { floor, exponent, error, information, misfit: product(rest, inverse, rest) };
    }),
  );
  const least = Math.min(...found.map(({ misfit }) => misfit));
  const candidates = found.flatMap(({ floor, exponent, error, information, misfit }): Candidate[] => {
    const weight = (priorOf(floor) * Math.exp((least - misfit) / 2)) / Math.sqrt(information);
    return quantiles.map((z) => ({
      floor,
      exponent,
      error: Math.min(1, Math.max(0, error + z / Math.sqrt(information))),
      weight,
    }));
  });
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const errorOf = ({ floor, exponent, error }: Candidate, at: number) =>
    Math.min(1, error * shapeAt(floor, exponent, at));
  const estimate = (of: (candidate: Candidate) => number): Estimate => {
    const values = candidates
      .map((one) => ({ value: of(one), weight: one.weight / total }))
      .sort((a, b) => a.value - b.value);
    const tail = (1 - confidence) / 2;
    return {
      value: values.reduce((sum, { value, weight }) => sum + value * weight, 0),
      low: quantile(values, tail),
      high: quantile(values, 1 - tail),
    };
  };
  return {
    errorAt: (at) => estimate((one) => errorOf(one, at)),
    gain: (from, to) => estimate((one) => errorOf(one, from) - errorOf(one, to)),
  };
}

function product(a: Matrix, middle: Matrix, b: Matrix): number {
  return a.transpose().mmul(middle).mmul(b).get(0, 0);
}

/** @param sorted ascending, weights add up to 1 */
function quantile(
  sorted: readonly { readonly value: number; readonly weight: number }[],
  share: number,
): number {
  let sum = 0;
  for (const { value, weight } of sorted) {
    sum += weight;
    if (sum >= share) return value;
  }
  return sorted.at(-1)!.value;
}
