/** Heat maps: how much each location of the pooled maps contributes to the score of a label in a linear head. */
import { attended, attentionOf, type CellBlock, cellsOfMaps, windowed } from './cells.ts';
import { type HeadWeights, hellinger, minSum, product } from './head.ts';
import type { FeatureMap, FeatureMaps, PooledMap } from './run/runner.ts';

/** [height,width], row by row. */
export interface Heat {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** The features that the maps are pooled to, [D]. */
export function pooledFeatures(pooled: readonly PooledMap[]): Float32Array {
  return Float32Array.from(pooled.flatMap(({ kind, map }) => valuesOf(kind, map)));
}

function valuesOf(kind: PooledMap['kind'], { data, channels }: FeatureMap): number[] {
  const places = data.length / channels;
  return Array.from({ length: channels }, (_, d) => {
    const cells = data.subarray(d * places, (d + 1) * places);
    return kind === 'maximum'
      ? cells.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY)
      : cells.reduce((sum, value) => sum + value, 0) / places;
  });
}

/**
 * Class-activation map (Zhou et al., "Learning deep features for discriminative localization", CVPR 2016): the
 * contribution of each location to the score of a label minus the mean score of all labels. Exact for a linear head: hellinger's
 * √(x/Σ) equals x / √(x·Σ), which is linear in x once x is known, and x is the average over locations, or the value of one
 * location, so that the contributions sum to the score without its bias. With a hidden layer, only units that are active at x
 * contribute. Maps of different sizes are summed at the finest size; the value of a coarse cell is divided among its fine cells.
 * @param pooled the maps that the features are pooled from, in order; at least one
 * @param maps of the same image, for a head with localized features; without them their contribution is left out
 */
export function activationMap(
  head: HeadWeights,
  pooled: readonly PooledMap[],
  label: string,
  maps?: FeatureMaps,
): Heat {
  const features = pooledFeatures(pooled);
  const sum = Math.max(
    minSum,
    features.reduce((total, value) => total + Math.abs(value), 0),
  );
  const slope = slopeOf(head, features, label);
  const sizes = [...pooled.map(({ map }) => map), ...(head.cells && maps ? [head.cells.maps.stage3] : [])];
  const height = Math.max(...sizes.map((size) => size.height));
  const width = Math.max(...sizes.map((size) => size.width));
  const heat = new Float32Array(height * width);
  let first = 0;
  for (const { kind, map } of pooled) {
    const places = map.height * map.width;
    const own = new Float32Array(places);
    for (let c = 0; c < map.channels; c++) {
      const value = features[first + c]!;
      const root = Math.sqrt(Math.abs(value) * sum);
      const share = head.transform ? (root > minSum ? 1 / root : 0) : 1;
      const factor = slope[first + c]! * share;
      const cells = map.data.subarray(c * places, (c + 1) * places);
      if (kind === 'maximum') own[cells.indexOf(value)]! += factor * value;
      else for (let p = 0; p < places; p++) own[p]! += (factor * cells[p]!) / places;
    }
    first += map.channels;
    spread(own, map, heat, { height, width });
  }
  if (head.cells && maps) {
    const own = cellHeat(head.cells, maps, slope.subarray(first));
    spread(own, head.cells.maps.stage3, heat, { height, width });
  }
  return { data: heat, height, width };
}

/** Contribution of each cell through the localized features, by its attention weight, [cells]. @param slope [C] */
function cellHeat({ window, look }: CellBlock, maps: FeatureMaps, slope: Float64Array): Float32Array {
  const cells = windowed(cellsOfMaps(maps), window);
  const shares = attentionOf(cells, look);
  const average = attended(cells, look);
  const sum = Math.max(
    minSum,
    average.reduce((a, b) => a + b, 0),
  );
  const own = new Float32Array(shares.length);
  average.forEach((value, c) => {
    const root = Math.sqrt(value * sum);
    if (root <= minSum) return;
    for (let p = 0; p < own.length; p++) {
      own[p]! += (slope[c]! * shares[p]! * cells.data[c * own.length + p]!) / root;
    }
  });
  return own;
}

/** Adds a coarse map to a fine one and preserves its sum. */
function spread(
  own: Float32Array,
  from: { readonly height: number; readonly width: number },
  heat: Float32Array,
  to: { readonly height: number; readonly width: number },
): void {
  const row = (y: number) => Math.floor((y * from.height) / to.height);
  const column = (x: number) => Math.floor((x * from.width) / to.width);
  const within = (size: number, index: (i: number) => number, of: number) => {
    const counts = new Uint32Array(size);
    for (let i = 0; i < of; i++) counts[index(i)]!++;
    return counts;
  };
  const [rows, columns] = [within(from.height, row, to.height), within(from.width, column, to.width)];
  for (let y = 0; y < to.height; y++) {
    for (let x = 0; x < to.width; x++) {
      const [v, u] = [row(y), column(x)];
      heat[y * to.width + x]! += own[v * from.width + u]! / (rows[v]! * columns[u]!);
    }
  }
}

/** [D], gradient of (score of a label - mean score of all labels) with respect to each transformed feature. */
function slopeOf(head: HeadWeights, features: Float32Array, label: string): Float64Array {
  const { hidden, weights, labels, temperature } = head;
  const chosen = labels.indexOf(label);
  const width = weights.length / labels.length;
  const slope = Float64Array.from({ length: width }, (_, d) => {
    let mean = 0;
    for (let k = 0; k < labels.length; k++) mean += weights[k * width + d]! / labels.length;
    return (weights[chosen * width + d]! - mean) / temperature;
  });
  if (!hidden) return slope;
  const x = head.transform ? hellinger(features) : features;
  const through = new Float64Array(x.length);
  product(hidden, x).forEach((value, unit) => {
    if (value <= 0) return;
    for (let d = 0; d < x.length; d++) through[d]! += slope[unit]! * hidden.weights[unit * x.length + d]!;
  });
  return through;
}
