/**
 * Chooses whether and how a head uses localized features: trains several variants, including one with global features only, and
 * takes the one with the lowest held-out error.
 */
import { argmax } from '../../models/argmax.ts';
import type { CellBlock, MapSize } from '../../models/cells.ts';
import { type HeadWeights, hellinger, probabilitiesFrom, product } from '../../models/head.ts';
import { findAnomalies } from './anomalies.ts';
import type { CellSource } from './cell-cache.ts';
import { type LocalizedFeatures, localizedFeatures, type Marked } from './evidence.ts';
import { type Example, type FitOptions, fitHead, type TrainedHead } from './fit.ts';
import { foldsOf } from './folds.ts';
import { minPeak } from './min-peak.ts';
import { spreadOf } from './places.ts';
import { type ImagePoint, type ViewSet, viewSets, viewsOf } from './views.ts';

export interface PlacedExample extends Example {
  /** Marked locations of its defects. */
  readonly places: readonly ImagePoint[];
}

export interface PlacesOptions extends Pick<FitOptions, 'seed' | 'augment' | 'signal' | 'onProgress'> {
  /** Labels of good parts. */
  readonly good: readonly string[];
  readonly maps: CellBlock['maps'];
}

/** `features`: global features only; `places`: global and localized features; `spot`: one location, the same for all parts. */
export type Variant = 'features' | 'places' | 'spot';

export interface Candidate {
  readonly way: Variant;
  /** Side of the pooling window in cells; 0: no localized features. */
  readonly window: number;
  /** Squared error on held-out parts; all labels have the same weight. */
  readonly loss: number;
  /** Share of held-out parts that are classified correctly. */
  readonly accuracy: number;
}

export interface PlacesFit {
  /** It also locates defects, even if it classifies by global features only. */
  readonly head: TrainedHead;
  /** Minimum peak from which a location is reported, in deviations of ordinary cells. */
  readonly minPeak: number;
  readonly chosen: Candidate;
  /** In the order in which they were trained, including the chosen one. */
  readonly tried: readonly Candidate[];
  /** Number of parts with marks, and of parts without marks for which the most anomalous cell was used instead. */
  readonly marked: number;
  readonly guessed: number;
}

const windows = [3, 5];
const spotWindow = 7;
/** Minimum number of parts with a location. */
const minLocated = 4;
/** If all marks are within this many cells of their centre, they count as one location. */
const sameSpot = 1;
/** Maximum number of images times views: each needs a second inference. */
const maxRows = 1_600;

/**
 * @param global the linear head with global features only
 * @returns undefined if there are no locations to learn from: no marks, and no label that means good
 * @throws as `CellSource.cells`; the reason of `signal`
 */
export async function fitPlaces(
  global: TrainedHead,
  examples: readonly PlacedExample[],
  source: CellSource,
  { good, maps, seed, augment = [], signal, onProgress }: PlacesOptions,
): Promise<PlacesFit | undefined> {
  const set = affordable(global.views, examples.length, augment);
  if (!set) return undefined;
  const fold = foldsOf(examples, global.folds, seed);
  /** Progress of three phases: finding locations, computing localized features, training. */
  const phase = (n: number) => (done: number, total: number) =>
    onProgress?.(n * 1_000 + Math.round((1_000 * done) / total), 3_000);
  const unmarked = defectsWithoutMarks(examples, good);
  const goodOnes = indicesOf(examples, ({ label }) => good.includes(label));
  const anomalies =
    goodOnes.length > 0 && unmarked.length > 0
      ? await findAnomalies(source, { good: goodOnes, defects: unmarked, fold, seed, onProgress: phase(0) })
      : undefined;
  const marked = examples.map(
    ({ label, places }, i): Marked => ({ label, ...(anomalies?.get(i) ?? { places }) }),
  );
  if (marked.filter(({ places }) => places.length > 0).length < minLocated) return undefined;

  const all = examples.flatMap(({ places }) => places);
  const atOneSpot = all.length >= minLocated && spreadOf(all, maps.stage3) <= sameSpot;
  const localized = await localizedFeatures(source, marked, {
    fold,
    windows,
    views: viewsOf(set.set, set.augment),
    spotWindow: atOneSpot ? spotWindow : undefined,
    onProgress: phase(1),
  });

  const right = (head: TrainedHead) => {
    const hits = head.heldOut.filter((row, i) => head.labels[argmax(row)] === examples[i]!.label);
    return hits.length / examples.length;
  };
  const candidates: Trained[] = [];
  for (const [n, one] of localized.entries()) {
    const way: Variant = one.look.by === 'spot' ? 'spot' : 'places';
    const fitted = await fitHead(
      examples.map((example, i) => ({ ...example, cells: one.crossFitted[i]! })),
      {
        seed,
        signal,
        augment: set.augment,
        viewSets: [set.set],
        use: way === 'spot' ? 'cells' : 'both',
        onProgress: (done, total) => phase(2)(n * total + done, localized.length * total),
      },
    );
    const head = withCells(fitted, one, maps, examples);
    const tried = { way, window: one.window, loss: fitted.loss, accuracy: right(fitted) };
    candidates.push({ head, tried, localized: one });
  }
  // The head with global features locates defects with the best detector.
  const { localized: pointing } = candidates.filter(({ tried }) => tried.way === 'places').reduce(better);
  candidates.unshift({
    head: global,
    tried: { way: 'features', window: 0, loss: global.loss, accuracy: right(global) },
    localized: pointing,
  });
  const best = candidates.reduce(better);
  const isGood = examples.map(({ label }) => good.includes(label));
  return {
    head: { ...best.head, where: { maps, ...best.localized.detector } },
    minPeak: minPeak(best.localized.heldOutPeaks, isGood),
    chosen: best.tried,
    tried: candidates.map(({ tried }) => tried),
    marked: examples.filter(({ places }) => places.length > 0).length,
    guessed: anomalies?.size ?? 0,
  };
}

/** Views that `fitPlaces` may use if the global features are computed for all views of `available`. */
export function placeViews(available: ViewSet, count: number, augment?: PlacesOptions['augment']): number[] {
  const set = affordable(available, count, augment);
  return set ? viewsOf(set.set, set.augment) : [];
}

interface Trained {
  readonly head: TrainedHead;
  readonly tried: Candidate;
  readonly localized: LocalizedFeatures;
}

const better = (a: Trained, b: Trained) => (b.tried.loss < a.tried.loss ? b : a);

/** The views of the global head, or fewer if they exceed `maxRows`. */
function affordable(wanted: ViewSet, count: number, augment: PlacesOptions['augment'] = []) {
  const sets = (['turns', 'flips', 'none'] as const).filter(
    (set) => viewSets[set].length <= viewSets[wanted].length,
  );
  return [...sets.map((set) => ({ set, augment })), { set: 'none' as const, augment: [] }].find(
    (one) => count * viewsOf(one.set, one.augment).length <= maxRows,
  );
}

/** Parts with a defect label that has no mark on any part. */
function defectsWithoutMarks(examples: readonly PlacedExample[], good: readonly string[]): number[] {
  const markedLabels = new Set(examples.filter(({ places }) => places.length > 0).map(({ label }) => label));
  return indicesOf(examples, ({ label }) => !good.includes(label) && !markedLabels.has(label));
}

function indicesOf<T>(list: readonly T[], wanted: (one: T) => boolean): number[] {
  return list.flatMap((one, i) => (wanted(one) ? [i] : []));
}

/** The head as exported: global features, and localized features minus their mean over the labelled parts. */
function withCells(
  fitted: TrainedHead,
  { window, look, crossFitted, final }: LocalizedFeatures,
  maps: { readonly stage2: MapSize; readonly stage3: MapSize },
  examples: readonly Example[],
): TrainedHead {
  const channels = final[0]!.length;
  const classes = fitted.labels.length;
  const transformed = crossFitted.map((views) => hellinger(views.get(0)!));
  const mean = Float32Array.from(
    { length: channels },
    (_, c) => transformed.reduce((sum, row) => sum + row[c]!, 0) / transformed.length,
  );
  const size = examples[0]!.views.get(0)!.length;
  const given = fitted.weights.length / classes;
  const width = size + channels;
  const weights = new Float64Array(classes * width);
  const bias = Float64Array.from(fitted.bias);
  for (let k = 0; k < classes; k++) {
    // A head with localized features only has zero weights for the global features.
    const own = fitted.weights.subarray(k * given, (k + 1) * given);
    weights.set(own, (k + 1) * width - given);
    for (let c = 0; c < channels; c++) bias[k]! += own[given - channels + c]! * mean[c]!;
  }
  const head = {
    transform: 'hellinger',
    labels: fitted.labels,
    weights,
    bias,
    temperature: fitted.temperature,
    doubt: fitted.doubt,
    cells: { maps, window, look, mean },
  } satisfies HeadWeights;
  return {
    ...fitted,
    ...head,
    seen: examples.map(({ views }, i) => {
      const places = hellinger(final[i]!).map((value, c) => value - mean[c]!);
      return probabilitiesFrom(product(head, [...hellinger(views.get(0)!), ...places]), head);
    }),
  };
}
