/**
 * Whether it helps to look at places, and how: a few ways are trained and the one with the least held-out error is taken, the head
 * that looks at features alone among them.
 */
import { argmax } from '../../models/argmax.ts';
import type { CellBlock, MapSize } from '../../models/cells.ts';
import { type HeadWeights, hellinger, product, softmax } from '../../models/head.ts';
import type { CellSource } from './cell-cache.ts';
import { type Looked, lookAtPlaces, type Marked } from './evidence.ts';
import { type Example, type FitOptions, fitHead, type TrainedHead } from './fit.ts';
import { foldsOf } from './folds.ts';
import { findOddPlaces } from './odd-cells.ts';
import { spreadOf } from './places.ts';
import { type ImagePoint, type ViewSet, viewSets, viewsOf } from './views.ts';

export interface PlacedExample extends Example {
  /** Where somebody marked its defects. */
  readonly places: readonly ImagePoint[];
}

export interface PlacesOptions extends Pick<FitOptions, 'seed' | 'augment' | 'signal' | 'onProgress'> {
  /** Labels of good parts. */
  readonly good: readonly string[];
  readonly maps: CellBlock['maps'];
}

/** `features`: no places; `places`: features and places; `spot`: one place, the same for all parts. */
export type Way = 'features' | 'places' | 'spot';

export interface Tried {
  readonly way: Way;
  /** Cells in each direction; 0: no places. */
  readonly window: number;
  /** Squared error of held-out parts, each label counting the same. */
  readonly loss: number;
  /** Share of held-out parts that are judged right. */
  readonly accuracy: number;
}

export interface PlacesFit {
  readonly head: TrainedHead;
  readonly chosen: Tried;
  /** In the order in which they were tried, the chosen one among them. */
  readonly tried: readonly Tried[];
  /** Parts with marks, and parts without any whose oddest cell stood for one. */
  readonly marked: number;
  readonly guessed: number;
}

const windows = [3, 5];
const spotWindow = 7;
/** Fewer places are no pattern. */
const leastPlaced = 4;
/** Marks within so many cells of their middle are always at the same place. */
const sameSpot = 1;
/** More images and views are not looked at a second time. */
const mostRows = 1_600;

/**
 * @param global the head that looks at features alone, linear
 * @returns undefined where nothing says where to look: no marks, and no label that means good
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
  /** Three parts: finding places, looking at them, training. */
  const part = (n: number) => (done: number, total: number) =>
    onProgress?.(n * 1_000 + Math.round((1_000 * done) / total), 3_000);
  const unmarked = defectsWithoutMarks(examples, good);
  const goodOnes = indicesOf(examples, ({ label }) => good.includes(label));
  const odd =
    goodOnes.length > 0 && unmarked.length > 0
      ? await findOddPlaces(source, { good: goodOnes, defects: unmarked, fold, seed, onProgress: part(0) })
      : undefined;
  const marked = examples.map(({ label, places }, i): Marked => ({ label, ...(odd?.get(i) ?? { places }) }));
  if (marked.filter(({ places }) => places.length > 0).length < leastPlaced) return undefined;

  const all = examples.flatMap(({ places }) => places);
  const atOneSpot = all.length >= leastPlaced && spreadOf(all, maps.stage3) <= sameSpot;
  const looked = await lookAtPlaces(source, marked, {
    fold,
    windows,
    views: viewsOf(set.set, set.augment),
    spotWindow: atOneSpot ? spotWindow : undefined,
    onProgress: part(1),
  });

  const right = (head: TrainedHead) => {
    const hits = head.heldOut.filter((row, i) => head.labels[argmax(row)] === examples[i]!.label);
    return hits.length / examples.length;
  };
  const candidates = [
    {
      head: global,
      tried: { way: 'features' as Way, window: 0, loss: global.loss, accuracy: right(global) },
    },
  ];
  for (const [n, one] of looked.entries()) {
    const way: Way = one.look.by === 'spot' ? 'spot' : 'places';
    const fitted = await fitHead(
      examples.map((example, i) => ({ ...example, cells: one.crossFitted[i]! })),
      {
        seed,
        signal,
        augment: set.augment,
        viewSets: [set.set],
        use: way === 'spot' ? 'cells' : 'both',
        onProgress: (done, total) => part(2)(n * total + done, looked.length * total),
      },
    );
    const head = withCells(fitted, one, maps, examples);
    candidates.push({ head, tried: { way, window: one.window, loss: fitted.loss, accuracy: right(fitted) } });
  }
  const best = candidates.reduce((a, b) => (b.tried.loss < a.tried.loss ? b : a));
  return {
    head: best.head,
    chosen: best.tried,
    tried: candidates.map(({ tried }) => tried),
    marked: examples.filter(({ places }) => places.length > 0).length,
    guessed: odd?.size ?? 0,
  };
}

/** The views of the head on features, or fewer where they would be too many. */
function affordable(wanted: ViewSet, count: number, augment: PlacesOptions['augment'] = []) {
  const sets = (['turns', 'flips', 'none'] as const).filter(
    (set) => viewSets[set].length <= viewSets[wanted].length,
  );
  return [...sets.map((set) => ({ set, augment })), { set: 'none' as const, augment: [] }].find(
    (one) => count * viewsOf(one.set, one.augment).length <= mostRows,
  );
}

/** Parts of those defects that nobody has marked on any part. */
function defectsWithoutMarks(examples: readonly PlacedExample[], good: readonly string[]): number[] {
  const markedLabels = new Set(examples.filter(({ places }) => places.length > 0).map(({ label }) => label));
  return indicesOf(examples, ({ label }) => !good.includes(label) && !markedLabels.has(label));
}

function indicesOf<T>(list: readonly T[], wanted: (one: T) => boolean): number[] {
  return list.flatMap((one, i) => (wanted(one) ? [i] : []));
}

/** The head as it is exported: on features, and on what it sees of places against the mean of the labelled parts. */
function withCells(
  fitted: TrainedHead,
  { window, look, crossFitted, final }: Looked,
  maps: { readonly stage2: MapSize; readonly stage3: MapSize },
  examples: readonly Example[],
): TrainedHead {
  const channels = final[0]!.length;
  const classes = fitted.labels.length;
  const seen = crossFitted.map((views) => hellinger(views.get(0)!));
  const mean = Float32Array.from(
    { length: channels },
    (_, c) => seen.reduce((sum, row) => sum + row[c]!, 0) / seen.length,
  );
  const size = examples[0]!.views.get(0)!.length;
  const given = fitted.weights.length / classes;
  const width = size + channels;
  const weights = new Float64Array(classes * width);
  const bias = Float64Array.from(fitted.bias);
  for (let k = 0; k < classes; k++) {
    // A head on places alone gives the features no weight.
    const own = fitted.weights.subarray(k * given, (k + 1) * given);
    weights.set(own, (k + 1) * width - given);
    for (let c = 0; c < channels; c++) bias[k]! += own[given - channels + c]! * mean[c]!;
  }
  const head: HeadWeights = {
    transform: 'hellinger',
    labels: fitted.labels,
    weights,
    bias,
    temperature: fitted.temperature,
    cells: { maps, window, look, mean },
  };
  return {
    ...fitted,
    ...head,
    seen: examples.map(({ views }, i) => {
      const places = hellinger(final[i]!).map((value, c) => value - mean[c]!);
      return softmax(product(head, [...hellinger(views.get(0)!), ...places]), head.temperature);
    }),
  };
}
