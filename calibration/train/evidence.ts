/**
 * Learns a detector of cells that resemble the marked ones, and computes the localized features of each image with it.
 *
 * The detector is a matched filter with a diagonal covariance, w = (μ₊ − μ) / (σ² + ε): μ and σ² are moments of √cells over all
 * images, μ₊ is the mean at the marks, with the same weight for each label. It is scaled to standard deviations of ordinary
 * cells. With few marks a full covariance is worse.
 *
 * Cross-fitting: the features of an image are computed by a detector that was trained without the marks of its fold. Otherwise
 * the detector would overfit to the marks of the image, and training would rely on evidence that new parts do not have.
 */
import {
  areaOf,
  attended,
  type CellBlock,
  type Cells,
  type Detector,
  deviationsOf,
  type Evidence,
  evidenceOf,
  type MapSize,
  windowed,
} from '../../models/cells.ts';
import type { CellSource } from './cell-cache.ts';
import { centreOf, rootsAt, spotInView } from './places.ts';
import { type ImagePoint, pointInView } from './views.ts';

export interface Marked {
  readonly label: string;
  /** Known locations of its defects; may be empty. */
  readonly places: readonly ImagePoint[];
  /** By fold: replaces `places` for the detector that is trained without that fold; absent: `places`. */
  readonly placesWithout?: ReadonlyMap<number, readonly ImagePoint[]> | undefined;
}

export interface LocalizedFeatures {
  readonly window: number;
  /** Trained on all marks; exported with the head. */
  readonly look: CellBlock['look'];
  /** [n], by view: [C], from a detector that was trained without the fold of the image. */
  readonly crossFitted: readonly ReadonlyMap<number, Float32Array>[];
  /** [n][C], of view 0, from `look`. */
  readonly final: readonly Float32Array[];
  /** Locates defects: trained on all marks; for a spot, limited to its area. */
  readonly detector: Omit<Detector, 'maps'>;
  /** [n], the highest value of the map of view 0, from a detector that was trained without the fold of the image. */
  readonly heldOutPeaks: readonly number[];
}

export interface LocalizedOptions {
  /** Fold of each image, 0 to folds - 1. */
  readonly fold: readonly number[];
  readonly views: readonly number[];
  /** Ascending. */
  readonly windows: readonly number[];
  /** Also computes features at the centre of all marks, with this window. */
  readonly spotWindow?: number | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

const sharpness = 3;
/** Maximum number of images used to measure the scale of a detector. */
const maxScaled = 40;
/** Fold number of the detector that is trained on all folds. */
const none = -1;

/** Features by evidence for each window, and those at the spot. @throws as `CellSource.cells` */
export async function localizedFeatures(
  source: CellSource,
  examples: readonly Marked[],
  { fold, views, windows, spotWindow, onProgress }: LocalizedOptions,
): Promise<LocalizedFeatures[]> {
  const total = 2 * examples.length;
  const held = [none, ...new Set(fold)];
  const learners = windows.map(() => createLearner());
  const grids = createGrids(source);
  for (const [i, example] of examples.entries()) {
    onProgress?.(i, total);
    for (const view of views) {
      await grids.load(i, view);
      for (const [at, window] of windows.entries()) {
        const cells = grids.widen(window);
        learners[at]!.addImage(cells);
        for (const { places, detectors } of placesByDetector(example, fold[i]!, held)) {
          const shown = places
            .map((place) => pointInView(place, source.size(i), view))
            .filter((place) => place !== undefined);
          for (const place of shown) {
            const weight = 1 / (shown.length * views.length);
            learners[at]!.addMark(rootsAt(cells, place), example.label, detectors, weight);
          }
        }
      }
    }
  }

  const detectors = learners.map((learner) => new Map(held.map((h) => [h, learner.detector(h)])));
  await scale(grids, detectors, windows, examples.length);
  const spots = new Map(
    held.map((h) => [h, centreOf(examples.flatMap(({ places }, i) => (fold[i] === h ? [] : places)))]),
  );

  const results = [...windows, ...(spotWindow === undefined ? [] : [spotWindow])].map((window) => ({
    window,
    crossFitted: [] as Map<number, Float32Array>[],
    final: [] as Float32Array[],
    heldOutPeaks: [] as number[],
  }));
  let size: MapSize | undefined;
  for (const i of examples.keys()) {
    onProgress?.(examples.length + i, total);
    for (const one of results) one.crossFitted.push(new Map());
    for (const view of views) {
      size = await grids.load(i, view);
      /** Of the smallest window, for a spot. */
      let deviations: Float32Array = new Float32Array();
      for (const [at, one] of results.entries()) {
        const cells = grids.widen(one.window);
        const look = lookOf(at, fold[i]!, cells, source.size(i), view);
        one.crossFitted[i]!.set(view, attended(cells, look));
        if (view !== 0) continue;
        one.final.push(attended(cells, lookOf(at, none, cells, source.size(i), view)));
        const { within, ...detector } = locatorOf(at, fold[i]!, look, cells);
        const map = within ? deviations : deviationsOf(cells, detector);
        if (at === 0) deviations = map;
        one.heldOutPeaks.push(highest(map, cells, within));
      }
    }
  }
  onProgress?.(total, total);
  return results.map((one, at) => {
    const look = lookOf(at, none, size!, source.size(0), 0);
    return { ...one, look, detector: locatorOf(at, none, look, size!) };
  });

  function lookOf(
    at: number,
    held: number,
    cells: MapSize,
    image: ReturnType<CellSource['size']>,
    view: number,
  ): CellBlock['look'] {
    const spot = spots.get(held) ?? spots.get(none)!;
    return detectors[at]?.get(held) ?? spotInView(cells, spot, image, view);
  }

  /** A spot has no detector of its own and uses that of the smallest window. */
  function locatorOf(at: number, held: number, look: CellBlock['look'], cells: MapSize): Locator {
    const from = look.by === 'spot' ? 0 : at;
    const { weights, bias } = detectors[from]!.get(held)!;
    const locator = { window: windows[from]!, weights, bias };
    return look.by === 'spot' ? { ...locator, within: areaOf(look, results[at]!.window, cells) } : locator;
  }
}

type Locator = LocalizedFeatures['detector'];

function highest(map: Float32Array, { height, width }: MapSize, within?: Locator['within']): number {
  const { row, column, rows, columns } = within ?? { row: 0, column: 0, rows: height, columns: width };
  let peak = Number.NEGATIVE_INFINITY;
  for (let y = row; y < row + rows; y++) {
    for (let x = column; x < column + columns; x++) peak = Math.max(peak, map[y * width + x]!);
  }
  return peak;
}

/** The cells of one view at a time, max pooled by wider and wider windows. Reuses its memory: a grid has more than a megabyte. */
interface Grids {
  /** Reads the cells of a view. */
  load(index: number, view: number): Promise<MapSize>;
  /** Valid until the next call. @param window not less than in the call before */
  widen(window: number): Cells;
}

function createGrids(source: CellSource): Grids {
  let [here, other]: [Float32Array?, Float32Array?] = [];
  let cells: Cells;
  let width = 1;
  return {
    async load(index, view) {
      cells = await source.cells(index, view, here);
      [here, width] = [cells.data, 1];
      return cells;
    },
    widen(window) {
      // Pooling twice equals pooling once with a wider window.
      const wider = windowed(cells, window - width + 1, other);
      if (wider !== cells) [here, other] = [wider.data, here];
      [cells, width] = [wider, window];
      return cells;
    },
  };
}

/** Which detectors, identified by their held-out fold, learn from which locations of an image. */
function placesByDetector({ places, placesWithout }: Marked, own: number, held: readonly number[]) {
  const grouped = new Map<readonly ImagePoint[], number[]>();
  for (const h of held) {
    if (h === own) continue;
    const known = placesWithout?.get(h) ?? places;
    grouped.set(known, [...(grouped.get(known) ?? []), h]);
  }
  return Array.from(grouped, ([places, detectors]) => ({ places, detectors }));
}

interface Sum {
  readonly roots: Float64Array;
  weight: number;
}

/** Accumulates the moments for the detectors, one image at a time. */
function createLearner() {
  let images = 0;
  let mean = new Float64Array();
  let square = new Float64Array();
  /** Sums over the marks, by detector and label. */
  const marks = new Map<number, Map<string, Sum>>();
  return {
    /** Every image has the same weight. */
    addImage({ data, channels, height, width }: Cells): void {
      if (images === 0) [mean, square] = [new Float64Array(channels), new Float64Array(channels)];
      images++;
      const size = height * width;
      for (let c = 0; c < channels; c++) {
        let [roots, values] = [0, 0];
        for (let i = c * size; i < (c + 1) * size; i++) {
          roots += Math.sqrt(data[i]!);
          values += data[i]!;
        }
        mean[c]! += roots / size;
        square[c]! += values / size;
      }
    },
    addMark(roots: Float32Array, label: string, detectors: readonly number[], weight: number): void {
      for (const h of detectors) {
        const byLabel = marks.get(h) ?? new Map<string, Sum>();
        marks.set(h, byLabel);
        const sum = byLabel.get(label) ?? { roots: new Float64Array(roots.length), weight: 0 };
        byLabel.set(label, sum);
        sum.weight += weight;
        for (let c = 0; c < roots.length; c++) sum.roots[c]! += weight * roots[c]!;
      }
    },
    /** Not scaled yet. Without any mark all weights are zero. */
    detector(held: number): Evidence {
      const sums = [...(marks.get(held)?.values() ?? [])];
      const variance = mean.map((sum, c) => square[c]! / images - (sum / images) ** 2);
      const epsilon = 1e-4 * (variance.reduce((a, b) => a + b) / variance.length) + 1e-12;
      const weights = Float32Array.from(variance, (value, c) => {
        if (sums.length === 0) return 0;
        const marked = sums.reduce((sum, { roots, weight }) => sum + roots[c]! / weight, 0) / sums.length;
        return (marked - mean[c]! / images) / (Math.max(0, value) + epsilon);
      });
      const bias = -weights.reduce((sum, weight, c) => sum + (weight * mean[c]!) / images, 0);
      return { by: 'evidence', weights, bias, sharpness };
    },
  };
}

/** Scales the evidence of ordinary cells to a standard deviation of 1. */
async function scale(
  grids: Grids,
  detectors: readonly Map<number, Evidence>[],
  windows: readonly number[],
  count: number,
): Promise<void> {
  const moments = detectors.map((byFold) => new Map(Array.from(byFold.keys(), (h) => [h, [0, 0, 0]])));
  const step = Math.max(1, Math.ceil(count / maxScaled));
  for (let i = 0; i < count; i += step) {
    await grids.load(i, 0);
    for (const [at, window] of windows.entries()) {
      const cells = grids.widen(window);
      for (const [h, detector] of detectors[at]!) {
        const moment = moments[at]!.get(h)!;
        for (const value of evidenceOf(cells, detector)) {
          moment[0]!++;
          moment[1]! += value;
          moment[2]! += value * value;
        }
      }
    }
  }
  for (const [at, byFold] of detectors.entries()) {
    for (const [h, detector] of byFold) {
      const [cells, sum, squares] = moments[at]!.get(h) as [number, number, number];
      const deviation = Math.sqrt(Math.max(0, squares / cells - (sum / cells) ** 2));
      const factor = deviation > 1e-9 ? 1 / deviation : 0;
      byFold.set(h, {
        ...detector,
        weights: detector.weights.map((weight) => weight * factor),
        bias: detector.bias * factor,
      });
    }
  }
}
