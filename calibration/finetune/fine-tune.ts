/**
 * Fine-tunes the last block of a base for the labelled parts: maps before the block → one training for each fold → number of epochs and
 * penalty → evaluated on held-out parts → trained on all parts. The linear head is fitted again on the features of each network.
 *
 * Everything is in `<storage>/finetune/<key>`, so that it continues after the process was killed; only the newest key is kept.
 */
import { createHash } from 'node:crypto';
import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import type { Base } from '../../models/base.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { probabilitiesFrom } from '../../models/head.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import { imageOfFrame } from '../dataset/read-frame.ts';
import type { HeldOutFeatures } from '../train/familiar.ts';
import type { FrameFeatures } from '../train/features.ts';
import { balanced, penalties, squaredError, type TrainedHead } from '../train/fit.ts';
import { foldsOf } from '../train/folds.ts';
import { calibrateHead } from '../train/temperature.ts';
import { throttled } from '../train/throttle.ts';
import { openBlock } from './block.ts';
import { openEntries } from './entries.ts';
import { linearHeads } from './linear.ts';
import { startHead } from './probe.ts';
import { removeFolder, runTraining, stepsOf } from './run.ts';
import { openTrainer, type Trainer } from './trainer.ts';

export interface FineTuneOptions {
  /** In float32. */
  readonly base: Base;
  readonly described: readonly FrameFeatures[];
  readonly groups: readonly number[];
  /** The head on the whole image with the frozen base. */
  readonly probe: TrainedHead;
  readonly seed: number;
  readonly revision: string;
  readonly storageDirectory: string;
  /** Free space that must remain on the disk. */
  readonly minFreeBytes: number;
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface FineTuned {
  readonly head: TrainedHead;
  /** With the features of the fine-tuned base. */
  readonly described: readonly FrameFeatures[];
  /** Features of all parts from the networks that were trained without one fold each, for limits that need held-out parts. */
  readonly heldOut: HeldOutFeatures;
  readonly base: { readonly model: Uint8Array; readonly manifest: BaseManifest };
  readonly epochs: number;
  /** Convolutions that were trained. */
  readonly layers: number;
}

/** More would need more than 0.7 GB for the maps. */
const maxParts = 1_600;
const batch = 16;
/** Length of the schedule, and the epochs after which training may end. */
const epochs = 6;
const marks = [2, 4, 6];
const rates = { base: 3e-4, head: 1e-3, decay: 0.01, headDecay: 0.01 };
/** The scores of the first head are divided by this: it is nearly always right on its training parts, which leaves nothing to learn. */
const soften = 4;

/** @throws QcError fine-tune-impossible; the reason of `signal`; files remain for the next attempt */
export async function fineTune(options: FineTuneOptions): Promise<FineTuned> {
  const { base, described, groups, probe, seed, onProgress, signal } = options;
  const { labels } = probe;
  const target = described.map(({ frame }) => labels.indexOf(frame.label));
  const classes = labels.length;
  const all = described.map((_, i) => i);
  await using block = await openBlock(base, 0);
  const { tail } = block;
  const shapes = block.shapes(1);
  const sizes = [tail.entry, ...tail.others].map((name) => valuesOf(shapes.get(name)!)) as [
    number,
    ...number[],
  ];
  const folder = await openFolder(options, sizes);

  // Maps before the block
  await using entries = await openEntries(join(folder, 'maps'), sizes);
  const entryOf = throttled(block.entryOf);
  for (let i = entries.count; i < described.length; i++) {
    signal?.throwIfAborted();
    onProgress('computing maps', i, described.length);
    await entries.add(await entryOf(await imageOfFrame(described[i]!.frame)));
  }

  await using trainer = await openTrainer({ block, entries, classes, batch, threads: 0, rates });
  const size = valuesOf(shapes.get(tail.features)!);
  const frozen = await featuresOf(trainer, size, classes, all, signal);
  const fold = foldsOf(
    described.map(({ frame }, i) => ({ label: frame.label, group: groups[i]! })),
    probe.folds,
    seed,
  );
  const members = (held: number) => all.filter((i) => fold[i] !== held);
  const total = Array.from(
    { length: probe.folds },
    (_, held) => epochs * stepsOf(batch, members(held)),
  ).reduce((a, b) => a + b, epochs * stepsOf(batch, all));
  let done = 0;
  const onStep = () => onProgress('fine-tuning', ++done, total);
  async function train(name: string, rows: readonly number[], ends: readonly number[]) {
    const isTraining = (i: number) => rows.includes(i);
    const first = await linearHeads(frozen, target, classes, isTraining, signal);
    const weight = balanced(target, classes, isTraining);
    return await runTraining(trainer, {
      folder,
      name,
      rows: rows.map((index) => ({
        index,
        target: target[index]!,
        weight: (weight[index]! * rows.length) / classes,
      })),
      head: startHead(
        { ...first.weightsOf(probe.penalty), temperature: probe.temperature, labels },
        rows.map((i) => frozen[i]!),
        soften,
      ),
      marks: ends,
      epochs,
      count: described.length,
      seed,
      mirrored: probe.views !== 'none',
      signal,
      onStep,
    });
  }

  // Each fold in turn is held out
  const runs: Awaited<ReturnType<typeof train>>[] = [];
  /** By fold and choice: scores of the parts of the fold, [n][K]. */
  const scores: number[][][][] = [];
  for (let held = 0; held < probe.folds; held++) {
    const run = await train(`fold-${held}`, members(held), marks);
    const found: number[][][] = [];
    for (const mark of marks) {
      const fitted = await linearHeads(
        await run.features(mark),
        target,
        classes,
        (i) => fold[i] !== held,
        signal,
      );
      found.push(...fitted.scores.map((rows) => rows.map((row) => [...row])));
    }
    runs.push(run);
    scores.push(found);
  }
  const even = balanced(target, classes, () => true);
  const lossOf = (choice: number, counts: (i: number) => boolean) =>
    all.reduce(
      (sum, i) => sum + (counts(i) ? even[i]! * squaredError(scores[fold[i]!]![choice]![i]!, target[i]!) : 0),
      0,
    );
  const bestFor = (counts: (i: number) => boolean) =>
    choices.reduce((best, _, choice) => (lossOf(choice, counts) < lossOf(best, counts) ? choice : best), 0);
  // For the evaluation of a fold the choice is made on the other folds.
  const perFold = runs.map((_, held) => bestFor((i) => fold[i] !== held));
  const heldOutScores = all.map((i) => scores[fold[i]!]![perFold[fold[i]!]!]![i]!);
  const { mark, penalty } = choices[bestFor(() => true)]!;

  // All parts
  const whole = await train('all', all, [mark]);
  const features = await whole.features(mark);
  const fitted = await linearHeads(features, target, classes, () => true, signal);
  const parts = labels.map((_, k) => new Set(groups.filter((_, i) => target[i] === k)).size);
  const { temperature } = calibrateHead([heldOutScores], target, even, parts);
  // The number of parts is the same.
  const { doubt } = probe;
  const limits = { temperature, doubt };
  const seen = fitted.scores[penalties.indexOf(penalty)]!;
  const head: TrainedHead = {
    transform: 'hellinger',
    labels,
    ...fitted.weightsOf(penalty),
    temperature,
    doubt,
    penalty,
    views: 'none',
    folds: probe.folds,
    backend: `${probe.backend}, onnxruntime`,
    loss:
      lossOf(
        bestFor(() => true),
        () => true,
      ) / classes,
    heldOut: heldOutScores.map((row) => probabilitiesFrom(row, limits)),
    seen: seen.map((row) => probabilitiesFrom(row, limits)),
  };
  return {
    head,
    described: described.map((one, i) => ({
      ...one,
      features: features[i]!,
      views: new Map([[0, features[i]!]]),
    })),
    heldOut: { fold, features: await Promise.all(runs.map((run) => run.features(mark))) },
    base: block.withParameters(whole.state.values),
    epochs: mark,
    layers: tail.nodes.filter(({ input }) => tail.parameters.includes(input[1] ?? '')).length,
  };
}

const choices = marks.flatMap((mark) => penalties.map((penalty) => ({ mark, penalty })));

const valuesOf = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

/** Features of the frozen base from the stored maps. */
async function featuresOf(
  trainer: Trainer,
  size: number,
  classes: number,
  all: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  const zero = trainer.begin({
    mean: new Float32Array(size),
    scale: new Float32Array(size).fill(1),
    weights: new Float32Array(classes * size),
    bias: new Float32Array(classes),
  });
  return (await trainer.predict(zero, all, signal)).features;
}

/** The folder of this training; those of others are removed. @throws QcError fine-tune-impossible */
async function openFolder(
  { base, described, groups, probe, seed, revision, storageDirectory, minFreeBytes }: FineTuneOptions,
  sizes: readonly number[],
): Promise<string> {
  if (described.length > maxParts)
    throw new QcError(
      'fine-tune-impossible',
      `there are ${described.length} labelled parts; fine-tuning takes at most ${maxParts}`,
      { remedy: 'train without --fine-tune: with so many labels a head alone is good' },
    );
  const ids = described.map(({ frame }) => `${frame.id} ${frame.label}`);
  const identity = JSON.stringify([
    1,
    base.manifest.sha256,
    revision,
    ids,
    groups,
    [probe.penalty, probe.views, probe.temperature, probe.folds],
    seed,
    rates,
    epochs,
    marks,
    soften,
    batch,
  ]);
  const key = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  const parent = join(storageDirectory, 'finetune');
  await makeFolders(parent);
  for (const other of await readdir(parent)) if (other !== key) await removeFolder(join(parent, other));
  const folder = join(parent, key);
  const isNew = !(await readdir(parent)).includes(key);
  const [map = 0, ...others] = sizes;
  const needed = described.length * (2 * map + 4 * others.reduce((a, b) => a + b, 0)) + 200e6;
  const { bavail, bsize } = await statfs(storageDirectory);
  if (isNew && bavail * bsize - needed < minFreeBytes)
    throw new QcError(
      'fine-tune-impossible',
      `fine-tuning needs ${Math.ceil(needed / 1e6)} MB below ${storageDirectory}, which would leave less than storage.minFreeMb`,
      { remedy: 'free some space, or train without --fine-tune' },
    );
  await makeFolders(folder);
  return folder;
}

/** Removes what a finished training has stored. */
export const removeFineTuning = (storageDirectory: string) =>
  removeFolder(join(storageDirectory, 'finetune'));
