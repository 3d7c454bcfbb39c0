/**
 * Measures the error on held-out parts for increasing numbers of labels: linear heads are trained on a quarter of the
 * labels up to all of them, and judge the parts of the held-out fold.
 *
 * The heads solve the same problem as the trained head (`loop.ts`), on the images as they are and with its penalty, but in closed form in the
 * dual: all of them share one kernel matrix, so a fit is one Cholesky factorisation of the rows that it uses.
 */
import { setImmediate } from 'node:timers/promises';
import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { hellinger, probabilitiesFrom } from '../../../models/head.ts';
import { decide, type Rules } from '../../../models/verdict.ts';
import { drawEvenly } from '../draw.ts';
import type { Example, TrainedHead } from '../fit.ts';
import { foldsOf, type Grouped } from '../folds.ts';
import { mixSeeds, type Random, seededRandom } from '../random.ts';
import { gram, standardise, standardised } from '../standardise.ts';

export interface LearningPoints {
  /** Labels per class at each size, ascending: the harmonic mean over the classes, averaged over the heads of that size. */
  readonly labels: readonly number[];
  /** Sampled examples: label and group. */
  readonly examples: readonly Grouped[];
  /** [size][repeat][example]: 1 if a head that was trained without the example predicted another label. */
  readonly wrong: readonly (readonly Uint8Array[])[];
  /** 1 for a bad part that would pass. */
  readonly escaped: readonly (readonly Uint8Array[])[];
}

export interface LearningOptions {
  readonly seed: number;
  readonly rules: Rules;
  readonly signal?: AbortSignal | undefined;
}

/** Shares of the training labels of a fold, a factor of 1.6 apart. */
const shares = [0.25, 0.4, 0.63, 1];
/** Maximum number of rows: more do not change the shape of the curve, and the time of a fit grows with their cube. */
const maxRows = 360;
/** Number of splits into folds: more for few rows, for which a fit is fast and single splits vary. */
const repeatsOf = (rows: number) => (rows <= 200 ? 6 : 3);

/**
 * @param head of the same examples: its labels, penalty, calibration and number of folds are used
 * @throws the reason of `signal`
 */
export async function learningPoints(
  all: readonly Example[],
  head: Pick<TrainedHead, 'labels' | 'penalty' | 'temperature' | 'doubt' | 'folds'>,
  { seed, rules, signal }: LearningOptions,
): Promise<LearningPoints> {
  const examples = drawEvenly(all, maxRows, seed);
  const { labels, penalty } = head;
  const target = examples.map(({ label }) => labels.indexOf(label));
  const members = labels.map((_, k) => target.filter((t) => t === k).length);
  const rows = examples.map(({ views }) => hellinger(views.get(0)!));
  const scaling = standardise(
    rows,
    target.map((k) => 1 / members[k]!),
  );
  const kernel = gram(standardised(rows, scaling), rows[0]!.length);

  const repeats = repeatsOf(examples.length);
  const blank = () => Array.from({ length: repeats }, () => new Uint8Array(examples.length));
  const wrong = shares.map(blank);
  const escaped = shares.map(blank);
  const used = shares.map(() => 0);
  for (let repeat = 0; repeat < repeats; repeat++) {
    const fold = foldsOf(examples, head.folds, mixSeeds(seed, repeat));
    const random = seededRandom(mixSeeds(seed, repeat, 1));
    for (let held = 0; held < head.folds; held++) {
      signal?.throwIfAborted();
      await setImmediate();
      const nested = nestedSubsets(examples, labels, (i) => fold[i] !== held, random);
      const judged = [...examples.keys()].filter((i) => fold[i] === held);
      for (const [size, share] of shares.entries()) {
        const chosen = nested.map((order) => order.upTo(share));
        used[size]! += harmonicMean(chosen.map(({ length }) => length)) / (repeats * head.folds);
        const scores = scoresOf(kernel, chosen, judged, penalty);
        for (const [n, i] of judged.entries()) {
          const said = probabilitiesFrom(scores.getRow(n), head);
          if (said.indexOf(Math.max(...said)) !== target[i]) wrong[size]![repeat]![i] = 1;
          if (rules.good.includes(examples[i]!.label)) continue;
          const probabilities = Object.fromEntries(labels.map((label, k) => [label, said[k]!]));
          if (decide([probabilities], rules).verdict === 'pass') escaped[size]![repeat]![i] = 1;
        }
      }
    }
  }
  return { labels: used, examples, wrong, escaped };
}

/**
 * Effective number for classes of different sizes: if the error of each class falls with 1/n, the total error falls with
 * the mean of 1/n.
 */
export function harmonicMean(counts: readonly number[]): number {
  return counts.length / counts.reduce((sum, count) => sum + 1 / count, 0);
}

/**
 * For each class, an order of its examples that keeps groups together, so that smaller subsets are prefixes of larger ones.
 */
function nestedSubsets(
  examples: readonly Grouped[],
  labels: readonly string[],
  among: (i: number) => boolean,
  random: Random,
) {
  return labels.map((label) => {
    const groups = new Map<number, number[]>();
    for (const [i, one] of examples.entries()) {
      if (one.label === label && among(i)) groups.set(one.group, [...(groups.get(one.group) ?? []), i]);
    }
    const ordered = random.shuffled([...groups.values()]);
    const total = ordered.flat().length;
    return {
      upTo(share: number): number[] {
        const chosen: number[] = [];
        for (const group of ordered) {
          // The group that crosses the limit is assigned to the nearer side; no side is empty.
          if (chosen.length > 0 && chosen.length + group.length / 2 > share * total) break;
          chosen.push(...group);
        }
        return chosen;
      },
    };
  });
}

/** [judged][classes]. @param chosen indices by class: each class counts the same */
function scoresOf(
  kernel: Matrix,
  chosen: readonly (readonly number[])[],
  judged: readonly number[],
  penalty: number,
): Matrix {
  const rows = chosen.flat();
  const classes = chosen.length;
  const system = kernel.selection(rows, rows);
  const targets = Matrix.zeros(rows.length, classes);
  let at = 0;
  for (const [k, members] of chosen.entries()) {
    for (let n = 0; n < members.length; n++, at++) {
      system.set(at, at, system.get(at, at) + penalty * classes * members.length);
      for (let c = 0; c < classes; c++) targets.set(at, c, (c === k ? 1 : 0) - 1 / classes);
    }
  }
  const alpha = new CholeskyDecomposition(system).solve(targets);
  return kernel.selection([...judged], rows).mmul(alpha);
}
