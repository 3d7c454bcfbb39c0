/** Trains a head from features and labels; cross-validation chooses penalty, views and temperature. */
import { type HeadWeights, hellinger, probabilitiesFrom } from '../../models/head.ts';
import { basisOf } from './basis.ts';
import { foldsOf, type Grouped } from './folds.ts';
import { type HiddenOptions, trainHidden } from './hidden.ts';
import { trainHeads, type Variant } from './loop.ts';
import { calibrateHead } from './temperature.ts';
import { openTensors } from './tensors.ts';
import { type Augmentation, type ViewSet, viewSets, viewsOf } from './views.ts';
import { weightedMean } from './weighted-mean.ts';

export interface Example extends Grouped {
  /** [D], raw pooled features of each view, by number; view 0 is the unchanged image. */
  readonly views: ReadonlyMap<number, Float32Array>;
  /** [C], localized features of each view, not transformed; only needed if `use` includes cells. */
  readonly cells?: ReadonlyMap<number, Float32Array> | undefined;
  /** Examples with the same number show one part, and count once for the certainty of the probabilities; default: the group. */
  readonly part?: number | undefined;
}

export interface FitOptions {
  readonly seed: number;
  /** Default 5; fewer if a label has fewer groups. */
  readonly folds?: number;
  /** What the head is trained on: features, cells, or features followed by cells; default `features`. */
  readonly use?: 'features' | 'cells' | 'both' | undefined;
  /** Default: all sets for which every example has views; the one with the best cross-validation is used. */
  readonly viewSets?: readonly ViewSet[] | undefined;
  /** Augmentations that are always used; all examples need their views. */
  readonly augment?: readonly Augmentation[] | undefined;
  /** Units of a hidden layer; default 0: a linear head. */
  readonly hidden?: number | undefined;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface TrainedHead extends HeadWeights {
  readonly penalty: number;
  readonly views: ViewSet;
  readonly folds: number;
  readonly backend: string;
  /** The highest probability is 1 - doubt. */
  readonly doubt: number;
  /** Squared error of held-out scores; all labels have the same weight. */
  readonly loss: number;
  /** Probabilities of each example from a head that was trained without its fold, [n][K]. */
  readonly heldOut: readonly (readonly number[])[];
  /** Probabilities of each example from the head itself, [n][K]. */
  readonly seen: readonly (readonly number[])[];
}

/** Candidate penalties, in steps of √10. */
export const penalties = Array.from({ length: 7 }, (_, i) => 10 ** (-5 + i / 2));
/** Up to this number of images, one split into folds is unreliable: three are used. */
const fewImages = 200;
const splitsOfFew = 3;
/** Maximum number of training steps of a hidden layer, and the interval at which its held-out error is measured. */
const hiddenSteps = 300;
const hiddenEvery = 10;

/**
 * Trains with class weights, so that a rare defect counts as much as the many good parts. The transform's standardisation
 * uses all examples, without their labels; everything else of a fold is trained without it.
 * Deterministic for a seed. @throws RangeError for fewer than two labels; the reason of `signal`
 */
export async function fitHead(examples: readonly Example[], options: FitOptions): Promise<TrainedHead> {
  const labels = [...new Set(examples.map(({ label }) => label))].sort();
  if (labels.length < 2) throw new RangeError('examples of at least two labels are needed');
  const { tf, backend } = await openTensors();
  const target = examples.map(({ label }) => labels.indexOf(label));
  const folds = Math.max(2, Math.min(options.folds ?? 5, fewestGroups(examples, labels)));
  const splits = Array.from({ length: examples.length <= fewImages ? splitsOfFew : 1 }, (_, split) =>
    foldsOf(examples, folds, options.seed + 1_000_003 * split),
  );
  const fold = splits[0]!;
  const even = balanced(target, labels.length, () => true);
  const parts = labels.map((label) => countOf(examples, label, ({ part, group }) => part ?? group));

  const { use = 'features', augment = [] } = options;
  const valuesOf = ({ views, cells }: Example, view: number) => [
    ...(use === 'cells' ? [] : [hellinger(views.get(view)!)]),
    ...(use === 'features' ? [] : [hellinger(cells!.get(view)!)]),
  ];
  const sets = (options.viewSets ?? (Object.keys(viewSets) as ViewSet[])).filter((set) =>
    examples.every(({ views }) => viewsOf(set, augment).every((view) => views.has(view))),
  );
  const choices: Choice[] = [];
  for (const [index, set] of sets.entries()) {
    const tried = await tryViews(set, (done, total) =>
      options.onProgress?.(index * total + done, sets.length * total),
    );
    choices.push(...tried);
  }
  const best = simplest(choices, even);
  const { rows, basis, penalty } = best;
  if (options.hidden) return withHidden(options.hidden, best);
  const { scores } = best;
  const calibration = calibrateHead(best.splits, target, even, parts);
  const weight = rows.map(({ of }) => even[of]!);
  const [whole] = await trainHeads(
    tf,
    basis,
    rows.map(({ of }) => target[of]!),
    labels.length,
    [{ penalty, weight: Float64Array.from(weight) }],
    { signal: options.signal },
  );
  const seen = whole!.scores.filter((_, row) => rows[row]!.view === 0);
  return {
    transform: 'hellinger',
    labels,
    ...basis.unfold(whole!.coefficients, labels.length),
    ...calibration,
    penalty,
    views: best.set,
    folds,
    backend,
    loss: best.loss,
    heldOut: scores.map((row) => probabilitiesFrom(row, calibration)),
    seen: seen.map((row) => probabilitiesFrom(row, calibration)),
  };

  /** Cross-validates every penalty on one set of views; the held-out error uses unchanged images only. */
  async function tryViews(set: ViewSet, onStep: (done: number, total: number) => void) {
    const views = viewsOf(set, augment);
    const rows = examples.flatMap((_, of) => views.map((view) => ({ of, view })));
    const values = rows.map(({ of, view }) => valuesOf(examples[of]!, view));
    const basis = basisOf(
      values.map(joined),
      rows.map(({ of }) => even[of]!),
      values[0]!.map(({ length }) => length),
    );
    const variants: Variant[] = penalties.flatMap((penalty) =>
      splits.flatMap((split) =>
        Array.from({ length: folds }, (_, held) => ({ penalty, weight: withoutFold(rows, split, held) })),
      ),
    );
    const fitted = await trainHeads(
      tf,
      basis,
      rows.map(({ of }) => target[of]!),
      labels.length,
      variants,
      { signal: options.signal, onStep },
    );
    return penalties.map((penalty, p): Choice => {
      const heldOut = splits.map((split, s) =>
        target.map((_, i) => {
          const variant = (p * splits.length + s) * folds + split[i]!;
          return fitted[variant]!.scores[i * views.length]!;
        }),
      );
      const losses = target.map(
        (k, i) => heldOut.reduce((sum, scores) => sum + squaredError(scores[i]!, k), 0) / splits.length,
      );
      const loss = weightedMean(losses, even);
      return { set, rows, basis, penalty, scores: heldOut[0]!, splits: heldOut, losses, loss };
    });
  }

  /** Class weights of the rows outside a fold; 0 inside. */
  function withoutFold(rows: Choice['rows'], split: readonly number[], held: number): Float64Array {
    const weight = balanced(target, labels.length, (i) => split[i] !== held);
    return Float64Array.from(rows, ({ of }) => weight[of]!);
  }

  /** Uses the views and penalty that are best for a linear head, and the number of steps with the lowest held-out error. */
  async function withHidden(units: number, { set, rows, basis, penalty }: Choice): Promise<TrainedHead> {
    const step = viewsOf(set, augment).length;
    const rowTarget = rows.map(({ of }) => target[of]!);
    const common = { units, seed: options.seed, penalty: penalty / 10, signal: options.signal };
    const train = (weight: Float64Array, steps: number, onStep?: HiddenOptions['onStep']) =>
      trainHidden(tf, basis, rowTarget, labels.length, weight, {
        ...common,
        steps,
        every: hiddenEvery,
        ...(onStep && { onStep }),
      });
    /** By steps: the held-out scores of every example. */
    const heldOut = new Map<number, number[][]>();
    for (let held = 0; held < folds; held++) {
      await train(withoutFold(rows, fold, held), hiddenSteps, (at, scores) => {
        const said = heldOut.get(at) ?? [];
        heldOut.set(at, said);
        for (const [i, f] of fold.entries()) if (f === held) said[i] = scores[i * step]!;
        options.onProgress?.(held * hiddenSteps + at, (folds + 1) * hiddenSteps);
      });
    }
    const lossOf = (scores: number[][]) =>
      scores.reduce((sum, row, i) => sum + even[i]! * squaredError(row, target[i]!), 0);
    const [steps, scores] = [...heldOut].reduce((a, b) => (lossOf(b[1]) < lossOf(a[1]) ? b : a));
    const whole = await train(
      Float64Array.from(rows, ({ of }) => even[of]!),
      steps,
    );
    options.onProgress?.((folds + 1) * hiddenSteps, (folds + 1) * hiddenSteps);
    const calibration = calibrateHead([scores], target, even, parts);
    const seen = whole.scores.filter((_, row) => rows[row]!.view === 0);
    return {
      transform: 'hellinger',
      labels,
      hidden: basis.unfold(whole.first, units),
      weights: transposed(whole.second, units, labels.length),
      bias: whole.bias,
      ...calibration,
      penalty,
      views: set,
      folds,
      backend,
      loss: lossOf(scores) / labels.length,
      heldOut: scores.map((row) => probabilitiesFrom(row, calibration)),
      seen: seen.map((row) => probabilitiesFrom(row, calibration)),
    };
  }
}

interface Choice {
  readonly set: ViewSet;
  readonly rows: readonly { readonly of: number; readonly view: number }[];
  readonly basis: ReturnType<typeof basisOf>;
  readonly penalty: number;
  /** Held-out scores of the first split, and of all. */
  readonly scores: readonly number[][];
  readonly splits: readonly (readonly number[][])[];
  /** Squared error of each held-out example. */
  readonly losses: readonly number[];
  /** Weighted mean; all labels have the same weight. */
  readonly loss: number;
}

export const squaredError = (scores: readonly number[], target: number) =>
  scores.reduce((sum, score, k) => sum + (score - ((k === target ? 1 : 0) - 1 / scores.length)) ** 2, 0);

/**
 * Prefers mirrored views if they are not significantly worse than the best choice, with the penalty that is best for them: the
 * mean loss must be within one standard error of the paired difference (the one-standard-error rule of Breiman,
 * Friedman, Olshen, Stone, "Classification and Regression Trees", 1984, §3.4.3).
 */
function simplest(choices: readonly Choice[], weight: ArrayLike<number>): Choice {
  const mean = (values: readonly number[]) => weightedMean(values, weight);
  const best = choices.reduce((a, b) => (b.loss < a.loss ? b : a));
  const asGood = choices.filter(({ losses }) => {
    const differences = losses.map((loss, i) => loss - best.losses[i]!);
    const shift = mean(differences);
    const variance = mean(differences.map((difference) => (difference - shift) ** 2));
    return shift <= Math.sqrt(variance / losses.length);
  });
  const preferred = (['flips', 'turns', 'none'] as const).find((set) =>
    asGood.some((one) => one.set === set),
  );
  return choices.filter(({ set }) => set === preferred).reduce((a, b) => (b.loss < a.loss ? b : a));
}

function joined([first, second]: readonly Float32Array[]): Float32Array {
  return second ? Float32Array.of(...first!, ...second) : first!;
}

/** Class weights over the rows that are used: the same total for each label; 0 elsewhere. */
export function balanced(
  target: readonly number[],
  classes: number,
  counts: (i: number) => boolean,
): Float64Array {
  const members = new Array<number>(classes).fill(0);
  target.forEach((k, i) => {
    if (counts(i)) members[k]!++;
  });
  return Float64Array.from(target, (k, i) => (counts(i) ? 1 / members[k]! : 0));
}

/** The smallest number of groups of any label. */
function fewestGroups(examples: readonly Grouped[], labels: readonly string[]): number {
  return Math.min(...labels.map((label) => countOf(examples, label, ({ group }) => group)));
}

/** The number of different values that examples of a label have. */
function countOf<T extends Grouped>(
  examples: readonly T[],
  label: string,
  numberOf: (one: T) => number,
): number {
  return new Set(examples.filter((one) => one.label === label).map(numberOf)).size;
}

/** [H,K] → [K,H] */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(values, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)]!);
}
