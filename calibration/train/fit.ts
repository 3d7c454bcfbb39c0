/** Features and labels → a linear head; penalty, views and temperature chosen on pictures that it had not seen. */
import { hellinger, type LinearHead, softmax } from '../../models/head.ts';
import { basisOf } from './basis.ts';
import { foldsOf, type Grouped } from './folds.ts';
import { trainHeads, type Variant } from './loop.ts';
import { calibrate } from './temperature.ts';
import { openTensors } from './tensors.ts';
import { type ViewSet, viewSets } from './views.ts';

export interface Example extends Grouped {
  /** [V][D], raw pooled features of each view; the first is the picture as it is. */
  readonly views: readonly Float32Array[];
}

export interface FitOptions {
  readonly seed: number;
  /** Default 5, fewer where a label has fewer groups. */
  readonly folds?: number;
  /** Default: those that all examples have views for; the one that cross-validates best is taken. */
  readonly viewSets?: readonly ViewSet[];
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface TrainedHead extends LinearHead {
  readonly penalty: number;
  readonly views: ViewSet;
  readonly folds: number;
  readonly backend: string;
  /** Probabilities of each example from a head that was trained without its fold, [n][K]. */
  readonly heldOut: readonly (readonly number[])[];
  /** Probabilities of each example from the head itself, [n][K]. */
  readonly seen: readonly (readonly number[])[];
}

/** Few pictures prove no certainty: a whole step between two targets is never worth more than 40 nats. */
const leastTemperature = 0.025;
/** Tried penalties, by factors of √10. */
const penalties = Array.from({ length: 9 }, (_, i) => 10 ** (-5.5 + i / 2));

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
  const folds = Math.max(2, Math.min(options.folds ?? 5, leastGroups(examples, labels)));
  const fold = foldsOf(examples, folds, options.seed);
  const even = balanced(target, labels.length, () => true);

  const views = Math.min(...examples.map((example) => example.views.length));
  const sets = (options.viewSets ?? (Object.keys(viewSets) as ViewSet[])).filter(
    (set) => viewSets[set].length <= views,
  );
  const choices: Choice[] = [];
  for (const [index, set] of sets.entries()) {
    const tried = await tryViews(set, (done, total) =>
      options.onProgress?.(index * total + done, sets.length * total),
    );
    choices.push(...tried);
  }
  const best = simplest(choices, even);
  const { rows, basis, penalty, scores } = best;
  const { temperature } = calibrate(scores, target, even, leastTemperature);
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
    temperature,
    penalty,
    views: best.set,
    folds,
    backend,
    heldOut: scores.map((row) => softmax(row, temperature)),
    seen: seen.map((row) => softmax(row, temperature)),
  };

  /** Cross-validates every penalty on one set of views; only the pictures as they are count as held out. */
  async function tryViews(set: ViewSet, onStep: (done: number, total: number) => void) {
    const rows = examples.flatMap((_, of) => viewSets[set].map((view) => ({ of, view })));
    const basis = basisOf(
      rows.map(({ of, view }) => hellinger(examples[of]!.views[view]!)),
      rows.map(({ of }) => even[of]!),
    );
    const variants: Variant[] = penalties.flatMap((penalty) =>
      Array.from({ length: folds }, (_, held) => {
        const weight = balanced(target, labels.length, (i) => fold[i] !== held);
        return { penalty, weight: Float64Array.from(rows, ({ of }) => weight[of]!) };
      }),
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
      const scores = target.map((_, i) => fitted[p * folds + fold[i]!]!.scores[i * viewSets[set].length]!);
      return {
        set,
        rows,
        basis,
        penalty,
        scores,
        losses: scores.map((row, i) => squaredError(row, target[i]!)),
      };
    });
  }
}

interface Choice {
  readonly set: ViewSet;
  readonly rows: readonly { readonly of: number; readonly view: number }[];
  readonly basis: ReturnType<typeof basisOf>;
  readonly penalty: number;
  readonly scores: readonly number[][];
  /** Squared error of each example that was held out. */
  readonly losses: readonly number[];
}

const squaredError = (scores: readonly number[], target: number) =>
  scores.reduce((sum, score, k) => sum + (score - ((k === target ? 1 : 0) - 1 / scores.length)) ** 2, 0);

/**
 * Of all that cannot be told apart from the best, the one to trust most: mirrored views before others, then the strongest
 * penalty. "Cannot be told apart": its mean loss is within one standard error of the paired difference (the one-standard-
 * error rule of Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees", 1984, §3.4.3).
 */
function simplest(choices: readonly Choice[], weight: ArrayLike<number>): Choice {
  const mean = (values: readonly number[]) => {
    let sum = 0;
    let total = 0;
    values.forEach((value, i) => {
      sum += value * weight[i]!;
      total += weight[i]!;
    });
    return sum / total;
  };
  const best = choices.reduce((a, b) => (mean(b.losses) < mean(a.losses) ? b : a));
  const asGood = choices.filter(({ losses }) => {
    const differences = losses.map((loss, i) => loss - best.losses[i]!);
    const shift = mean(differences);
    const variance = mean(differences.map((difference) => (difference - shift) ** 2));
    return shift <= Math.sqrt(variance / losses.length);
  });
  const preferred = (['flips', 'turns', 'none'] as const).find((set) =>
    asGood.some((one) => one.set === set),
  );
  return asGood.filter(({ set }) => set === preferred).reduce((a, b) => (b.penalty > a.penalty ? b : a));
}

/** Class weights over the rows that count: each label as much as every other; 0 elsewhere. */
function balanced(target: readonly number[], classes: number, counts: (i: number) => boolean): Float64Array {
  const members = new Array<number>(classes).fill(0);
  target.forEach((k, i) => {
    if (counts(i)) members[k]!++;
  });
  return Float64Array.from(target, (k, i) => (counts(i) ? 1 / members[k]! : 0));
}

/** Groups of the label that has fewest. */
function leastGroups(examples: readonly Grouped[], labels: readonly string[]): number {
  return Math.min(
    ...labels.map(
      (label) => new Set(examples.filter((one) => one.label === label).map(({ group }) => group)).size,
    ),
  );
}
