/**
 * Familiarity: near 1 for a labelled part, 0.5 at the limit, towards 0 for parts that are out of distribution. Pure.
 *
 * A part is compared with the labelled parts in the subspace that those span, each direction scaled by the variation within one
 * label (Mahalanobis distance: Lee, Lee, Lee, Shin, "A simple unified framework for detecting out-of-distribution
 * samples", NeurIPS 2018) and each distance divided by what is usual for the label: parts of some labels vary much more. A part is out of distribution if it is far from the mean of every label and
 * its direction differs from that of every labelled part. Older heads use the cosine similarity of the features instead.
 */
import { floatTensor, floatValues, node, tensorDims } from './onnx/build.ts';
import type { OnnxNode, OnnxTensor } from './onnx/proto.ts';

export interface WhitenedDistance {
  /** [D], mean of the exemplars. */
  readonly centre: Float32Array;
  /** [D], weight of each feature. */
  readonly weight: Float32Array;
  /** [r,M], row-major: maps the weighted inner products of t(x) - centre with the M exemplars to w, the whitened part, divided by √r. */
  readonly axes: Float32Array;
  /** Mean w of each label, [C][r]. */
  readonly means: readonly Float32Array[];
  /** [C]: usual squared distance of a part from the mean of its label, relative to that of all labels; undefined: 1 each. */
  readonly scales?: Float32Array | undefined;
  /** w of each exemplar, [M][r]. */
  readonly parts: readonly Float32Array[];
  /** Whether the distance to the nearest exemplar is part of the score. */
  readonly nearest: boolean;
  /** Score at which familiarity is 0.5. */
  readonly limit: number;
}

/** Threshold of familiarity for every head with a whitened distance. */
export const familiarityThreshold = 0.5;
/** Lower limit of squared lengths, so that a part at the centre does not divide by zero. */
const minSquared = 1e-12;

/** The output of the graph, computed in JavaScript. @param x [D], transformed */
export function familiarityOf(
  { exemplars, distance }: { exemplars: readonly Float32Array[]; distance?: WhitenedDistance | undefined },
  x: Float32Array,
): number {
  if (!distance) return exemplars.reduce((nearest, row) => Math.max(nearest, dot(row, x)), -1);
  const { centre, weight, axes, means, scales, parts, nearest, limit } = distance;
  const weighted = x.map((value, d) => (value - centre[d]!) * weight[d]!);
  const products = Float64Array.from(exemplars, (row) => dot(row, weighted));
  const w = Float64Array.from(means[0]!, (_, r) => {
    let sum = 0;
    for (let m = 0; m < products.length; m++) sum += axes[r * products.length + m]! * products[m]!;
    return sum;
  });
  return 1 / (1 + noveltyOf(w, { means: pointsOf(means), scales, parts: pointsOf(parts), nearest }) / limit);
}

/**
 * Out-of-distribution score: the squared distance to the nearest mean, each divided by its scale (or the geometric mean of this and the squared distance to
 * the nearest part) times (1 - the highest cosine with a part).
 * @param w [r], whitened, as `means` and `parts` are
 */
export function noveltyOf(
  w: ArrayLike<number>,
  {
    means,
    scales,
    parts,
    nearest,
  }: {
    readonly means: Points;
    readonly scales?: ArrayLike<number> | undefined;
    readonly parts: Points;
    readonly nearest: boolean;
  },
): number {
  const squared = dot(w, w);
  const nearestOf = (
    { rows, squares }: Points,
    products: readonly number[],
    divisors?: ArrayLike<number> | undefined,
  ) =>
    rows.reduce(
      (best, _, i) =>
        Math.min(best, Math.max(0, squared + squares[i]! - 2 * products[i]!) / (divisors?.[i] ?? 1)),
      Number.POSITIVE_INFINITY,
    );
  const toMeans = means.rows.map((row) => dot(w, row));
  const toParts = parts.rows.map((row) => dot(w, row));
  const toMean = nearestOf(means, toMeans, scales);
  const far = nearest ? Math.sqrt(toMean * nearestOf(parts, toParts)) : toMean;
  const along = toParts.reduce(
    (max, product, i) => Math.max(max, product / Math.sqrt(Math.max(minSquared, parts.squares[i]!))),
    Number.NEGATIVE_INFINITY,
  );
  return far * Math.max(0, 1 - along / Math.sqrt(Math.max(minSquared, squared)));
}

/** Whitened points with their squared lengths. */
export interface Points {
  readonly rows: readonly ArrayLike<number>[];
  readonly squares: readonly number[];
}

export const pointsOf = (rows: readonly ArrayLike<number>[]): Points => ({
  rows,
  squares: rows.map((row) => dot(row, row)),
});

/** Nodes that compute `output` [N], the familiarity, from `transformed` [N,D] and the initializer `exemplars` [M,D]. */
export function distanceGraph(
  { centre, weight, axes, means, scales, parts, nearest, limit }: WhitenedDistance,
  output = 'familiarity',
): { readonly node: OnnxNode[]; readonly initializer: OnnxTensor[] } {
  const rank = means[0]!.length;
  return {
    node: [
      node('Sub', ['transformed', 'familiar_centre'], ['familiar_centred']),
      node('Mul', ['familiar_centred', 'familiar_weight'], ['familiar_weighted']),
      node('Gemm', ['familiar_weighted', 'exemplars'], ['familiar_alike'], { transB: 1 }),
      node('Gemm', ['familiar_alike', 'familiar_axes'], ['familiar_w'], { transB: 1 }),
      node('ReduceSumSquare', ['familiar_w'], ['familiar_w_squared'], { axes: [1], keepdims: 1 }),
      ...(scales ? scaledNodes : distanceNodes('means')),
      ...(nearest ? [...distanceNodes('parts'), ...meanNodes] : []),
      ...angleNodes,
      node(
        'Mul',
        [nearest ? 'familiar_far' : 'familiar_means_distance', 'familiar_turn'],
        ['familiar_strange'],
      ),
      node('Div', ['familiar_strange', 'familiar_limit'], ['familiar_in_limits']),
      node('Add', ['familiar_in_limits', 'familiar_one'], ['familiar_divisor']),
      node('Reciprocal', ['familiar_divisor'], ['familiar_column']),
      node('ReduceMax', ['familiar_column'], [output], { axes: [1], keepdims: 0 }),
    ],
    initializer: [
      floatTensor('familiar_centre', [centre.length], centre),
      floatTensor('familiar_weight', [weight.length], weight),
      floatTensor('familiar_axes', [rank, axes.length / rank], axes),
      rowsTensor('familiar_means', means),
      scalarsTensor('familiar_means_squared', means, (row) => dot(row, row)),
      ...(scales ? [floatTensor('familiar_scales', [1, scales.length], scales)] : []),
      rowsTensor('familiar_parts', parts),
      ...(nearest ? [scalarsTensor('familiar_parts_squared', parts, (row) => dot(row, row))] : []),
      scalarsTensor('familiar_parts_inverse', parts, (row) => 1 / lengthOf(row)),
      floatTensor('familiar_least', [1], Float32Array.of(minSquared)),
      floatTensor('familiar_zero', [1], Float32Array.of(0)),
      floatTensor('familiar_one', [1], Float32Array.of(1)),
      floatTensor('familiar_limit', [1], Float32Array.of(limit)),
    ],
  };
}

/** |w - m|² = |w|² + |m|² - 2w·m for the nearest m. */
const distanceNodes = (to: 'means' | 'parts') => {
  const name = `familiar_${to}`;
  return [
    node('Gemm', ['familiar_w', name, `${name}_squared`], [`${name}_offsets`], {
      transB: 1,
      alpha: { float: -2 },
    }),
    node('ReduceMin', [`${name}_offsets`], [`${name}_offset`], { axes: [1], keepdims: 1 }),
    node('Add', [`${name}_offset`, 'familiar_w_squared'], [`${name}_rounded`]),
    node('Max', [`${name}_rounded`, 'familiar_zero'], [`${name}_distance`]),
  ];
};

/** The same for the means, each distance divided by its scale. */
const scaledNodes = [
  node('Gemm', ['familiar_w', 'familiar_means', 'familiar_means_squared'], ['familiar_means_offsets'], {
    transB: 1,
    alpha: { float: -2 },
  }),
  node('Add', ['familiar_means_offsets', 'familiar_w_squared'], ['familiar_means_all']),
  node('Max', ['familiar_means_all', 'familiar_zero'], ['familiar_means_distances']),
  node('Div', ['familiar_means_distances', 'familiar_scales'], ['familiar_means_scaled']),
  node('ReduceMin', ['familiar_means_scaled'], ['familiar_means_distance'], { axes: [1], keepdims: 1 }),
];

/** The geometric mean of both distances. */
const meanNodes = [
  node('Mul', ['familiar_means_distance', 'familiar_parts_distance'], ['familiar_product']),
  node('Sqrt', ['familiar_product'], ['familiar_far']),
];

/** 1 - the highest cosine with a part. */
const angleNodes = [
  node('Max', ['familiar_w_squared', 'familiar_least'], ['familiar_squared']),
  node('Sqrt', ['familiar_squared'], ['familiar_length']),
  node('Gemm', ['familiar_w', 'familiar_parts'], ['familiar_products'], { transB: 1 }),
  node('Mul', ['familiar_products', 'familiar_parts_inverse'], ['familiar_shadows']),
  node('ReduceMax', ['familiar_shadows'], ['familiar_shadow'], { axes: [1], keepdims: 1 }),
  node('Div', ['familiar_shadow', 'familiar_length'], ['familiar_cosine']),
  node('Sub', ['familiar_one', 'familiar_cosine'], ['familiar_turn_rounded']),
  node('Max', ['familiar_turn_rounded', 'familiar_zero'], ['familiar_turn']),
];

/** Reads the distance back from a graph that contains `distanceGraph`; undefined if it has none. */
export function readDistance(named: (name: string) => OnnxTensor | undefined): WhitenedDistance | undefined {
  const [centre, weight, axes, means, parts, limit] = (
    ['centre', 'weight', 'axes', 'means', 'parts', 'limit'] as const
  ).map((name) => named(`familiar_${name}`));
  if (!centre || !weight || !axes || !means || !parts || !limit) return undefined;
  const scales = named('familiar_scales');
  return {
    centre: floatValues(centre),
    weight: floatValues(weight),
    axes: floatValues(axes),
    means: rowsOfTensor(means),
    ...(scales && { scales: floatValues(scales) }),
    parts: rowsOfTensor(parts),
    nearest: named('familiar_parts_squared') !== undefined,
    limit: floatValues(limit)[0]!,
  };
}

/** [M,D] → [M][D] */
export function rowsOfTensor(tensor: OnnxTensor): Float32Array[] {
  const values = floatValues(tensor);
  const [count = 0, size = 0] = tensorDims(tensor);
  return Array.from({ length: count }, (_, i) => values.subarray(i * size, (i + 1) * size));
}

/** [M][D] → [M,D] */
export function rowsTensor(name: string, rows: readonly Float32Array[]): OnnxTensor {
  const size = rows[0]!.length;
  const values = new Float32Array(rows.length * size);
  rows.forEach((row, i) => {
    values.set(row, i * size);
  });
  return floatTensor(name, [rows.length, size], values);
}

const scalarsTensor = (name: string, rows: readonly Float32Array[], of: (row: Float32Array) => number) =>
  floatTensor(name, [rows.length], Float32Array.from(rows, of));

const lengthOf = (row: ArrayLike<number>) => Math.sqrt(Math.max(minSquared, dot(row, row)));

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}
