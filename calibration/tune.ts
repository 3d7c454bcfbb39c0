/**
 * The calibration, top to bottom: labelled frames become features, features become a head, the head is judged on parts
 * that it had not seen, gets its thresholds, and becomes a version that may be promoted or not. Details are one import away.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../config/errors.ts';
import type { Config, TrainingConfig } from '../config/schema.ts';
import { decodeHead, probabilitiesOf, requireSameBase } from '../models/head.ts';
import type { Image } from '../models/image.ts';
import type { BaseManifest } from '../models/manifest.ts';
import { decodePicture } from '../models/prepare/decode.ts';
import { onThisMachine } from '../models/run/providers.ts';
import { openSession, type Session } from '../models/run/session.ts';
import type { Probabilities } from '../models/verdict.ts';
import { type HeadVersion, openStore, type Store } from '../models/versions/store.ts';
import { readDataset } from './dataset/dataset.ts';
import type { LabelledFrame } from './dataset/frame.ts';
import { readFrame } from './dataset/read-frame.ts';
import { forgetting, negativeTransfer, overFitting } from './train/checks.ts';
import { drawEvenly } from './train/draw.ts';
import { evaluate, mostProbable } from './train/evaluate.ts';
import { type Familiar, familiarOf } from './train/familiar.ts';
import { type Described, describeFrames } from './train/features.ts';
import { fitHead, type TrainedHead } from './train/fit.ts';
import { judgeCandidate } from './train/gate.ts';
import { groupsOf } from './train/groups.ts';
import type { Report } from './train/report.ts';
import { chooseThresholds, promiseRisk, thresholdsFromCosts } from './train/thresholds.ts';
import { considerate } from './train/throttle.ts';
import { type Augmentation, type ViewSet, viewsOf } from './train/views.ts';
import { writeHead } from './train/write-head.ts';

export interface TuneOptions {
  /** Default 1. */
  readonly seed?: number | undefined;
  /** Over those of the config. */
  readonly training?: Partial<TrainingConfig> | undefined;
  /** Who asked for it, for the record. */
  readonly by: string;
}

export interface TuneDeps {
  /** What is being done, in words, and how much of it. */
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Tuned {
  /** Of the candidate in the store, not promoted. */
  readonly version: string;
  readonly report: Report;
}

/** Of one label: fewer cannot be split into something to learn from and something to judge by. */
const leastFrames = 4;
/** More frames are drawn evenly over the labels: a linear head gains nothing, and time and memory are bounded. */
const mostFrames = 5_000;
/** Views are worth their time where pictures are few: beyond so many rows none are added unasked. */
const mostRows = 3_200;
const mostWorst = 24;

/** @throws QcError training-impossible, model-…; the reason of `signal`. The active head is never touched. */
export async function tune(
  {
    model,
    labels: { good },
    thresholds,
    storage,
    ...config
  }: Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage' | 'training'>,
  { seed = 1, training: over = {}, by }: TuneOptions,
  { onProgress, onNotice, signal }: TuneDeps,
): Promise<Tuned> {
  const { views, augment, hidden, escapeRate, falseRejectRate, costs } = { ...config.training, ...over };
  const dataset = await readDataset(storage.directory, onNotice);
  const chosen = draw(dataset.frames, seed, onNotice);
  requireEnough(chosen);

  const began = performance.now();
  await using session = await openSession({ ...onThisMachine(model), storageDirectory: storage.directory });
  const base = session.facts.manifest;
  const described = await describeFrames(chosen, {
    storageDirectory: storage.directory,
    base,
    featuresOf: considerate((image: Image) => session.features(image)),
    views: viewsOf(views === 'auto' ? affordable(chosen.length, augment) : views, augment),
    onProgress: (done, total) => onProgress('looking at the pictures', done, total),
    onNotice,
    signal,
  });
  requireEnough(described.map(({ frame }) => frame));
  const extracted = performance.now();

  const group = groupsOf(described);
  const truth = described.map(({ frame }) => frame.label);
  const head = await fitHead(
    described.map((one, i) => ({ views: one.views, label: one.frame.label, group: group[i]! })),
    { seed, augment, hidden, signal, onProgress: (done, total) => onProgress('training', done, total) },
  );
  const plain = await fitHead(
    described.map((one, i) => ({
      views: new Map([[0, one.statistics]]),
      label: one.frame.label,
      group: group[i]!,
    })),
    { seed, signal },
  );
  const trained = performance.now();

  const heldOut = named(head, head.heldOut);
  const targets = { escapeRate, falseRejectRate, risk: promiseRisk };
  const limits = costs
    ? thresholdsFromCosts(heldOut, truth, good, costs)
    : chooseThresholds(heldOut, truth, good, targets, thresholds);
  const evaluation = evaluate(heldOut, truth, { thresholds: limits.thresholds, good });
  const right = isRight(heldOut, truth);
  const store = await openStore(storage.directory);
  const active = await judgedByActive(store, base, described, onNotice);
  const commonest = Math.max(...Object.values(countLabels(chosen)));
  const report: Report = {
    ...evaluation,
    revision: dataset.revision,
    frames: described.length,
    counts: countLabels(described.map(({ frame }) => frame)),
    folds: head.folds,
    seed,
    views: head.views,
    augment,
    hidden,
    penalty: head.penalty,
    temperature: head.temperature,
    backend: head.backend,
    thresholds: limits.thresholds,
    promised: limits.promised,
    promise: [...limits.sentences],
    checks: [
      negativeTransfer(right, isRight(named(plain, plain.heldOut), truth)),
      overFitting(isRight(named(head, head.seen), truth), right),
      forgetting(
        right.filter((_, i) => active?.knew[i]),
        active?.right.filter((_, i) => active.knew[i]) ?? [],
      ),
    ],
    active: active ? { version: active.version, accuracy: shareOf(active.right) } : null,
    errorReduction: {
      active: active ? reduction(evaluation.accuracy, shareOf(active.right)) : null,
      commonest: reduction(evaluation.accuracy, commonest / chosen.length),
    },
    gate: judgeCandidate(right, truth, active),
    worst: worstMistakes(described, heldOut),
    latencyMs: await latencyOf(session, described[0]!.frame),
    seconds: { features: seconds(extracted - began), training: seconds(trained - extracted) },
  };
  signal?.throwIfAborted();
  return {
    version: await keep(
      store,
      base,
      { ...head, ...familiarOf(described, group) },
      { ...report, heldOut: answers(described, heldOut) },
      by,
    ),
    report,
  };
}

function draw(frames: readonly LabelledFrame[], seed: number, onNotice: (text: string) => void) {
  const drawn = drawEvenly(frames, mostFrames, seed);
  if (drawn.length < frames.length) {
    onNotice(`${drawn.length} of ${frames.length} frames are used, evenly over the labels`);
  }
  return drawn;
}

/** The most ways to lie that are worth their time for so many pictures. */
function affordable(frames: number, augment: readonly Augmentation[]): ViewSet {
  const fits = (set: ViewSet) => frames * viewsOf(set, augment).length <= mostRows;
  return (['turns', 'flips'] as const).find(fits) ?? 'none';
}

/** Median of five pictures through the base, ms: what a part costs on this machine. */
async function latencyOf(session: Session, frame: LabelledFrame): Promise<number> {
  const image = await decodePicture(await readFrame(frame));
  const taken: number[] = [];
  for (let run = 0; run < 5; run++) {
    const began = performance.now();
    await session.features(image);
    taken.push(performance.now() - began);
  }
  return Number(taken.sort((a, b) => a - b)[2]!.toFixed(1));
}

function requireEnough(frames: readonly LabelledFrame[]): void {
  const counts = Object.entries(countLabels(frames));
  const impossible = (what: string) => new QcError('training-impossible', what);
  if (counts.length === 0) throw impossible('there are no labelled frames');
  if (counts.length === 1) throw impossible(`all ${frames.length} frames have the label ${counts[0]![0]}`);
  const few = counts.filter(([, count]) => count < leastFrames);
  if (few.length > 0) {
    const told = few.map(([label, count]) => `${label} has ${count}`).join(', ');
    throw impossible(`each label needs at least ${leastFrames} frames: ${told}`);
  }
}

/** What a version's report.json keeps for those that come after: its answer to each frame when it had not seen it. */
const heldOutSchema = z.object({ heldOut: z.record(z.string(), z.string()) });

/**
 * How the active head judges the same frames: those it was trained on as its own cross-validation did, so that neither
 * head is judged on what it has seen; all others as it is. `knew`: it was accepted with that frame. Undefined where there is none that can be held against this base. */
async function judgedByActive(
  store: Store,
  base: BaseManifest,
  described: readonly Described[],
  onNotice: (text: string) => void,
) {
  const version = await store.active().catch(() => undefined);
  if (version === undefined) return undefined;
  let head: HeadVersion;
  try {
    head = await store.read(version);
    requireSameBase(head.manifest, base);
  } catch (error) {
    onNotice(`the candidate is not held against ${version}: ${(error as Error).message}`);
    return undefined;
  }
  const { labels, createdAt } = head.manifest;
  const linear = decodeHead(head.model, labels);
  if (!linear) {
    onNotice(`the candidate is not held against ${version}: it was not made here`);
    return undefined;
  }
  const { heldOut } = heldOutSchema.catch({ heldOut: {} }).parse(await store.report(version));
  const right = described.map(({ frame, features }) => {
    const said = probabilitiesOf(linear, features);
    const most = labels[said.indexOf(Math.max(...said))];
    return (heldOut[frame.id] ?? most) === frame.label;
  });
  const recorded = Object.keys(heldOut).length > 0;
  const knew = described.map(({ frame }) =>
    recorded ? Object.hasOwn(heldOut, frame.id) : frame.labelledAt <= createdAt,
  );
  return { version, right, knew };
}

/** The candidate as a version of its own; nothing is left of it where the disk is full. */
async function keep(
  store: Store,
  base: BaseManifest,
  head: TrainedHead & Familiar,
  report: Report & z.output<typeof heldOutSchema>,
  by: string,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-candidate-'));
  try {
    const { revision, frames, seed, folds, views, penalty, backend, accuracy, macroF1, promised } = report;
    await writeHead(folder, head, {
      base,
      createdAt: new Date(),
      thresholds: report.thresholds,
      familiar: head.least,
      training: {
        ...{
          method:
            report.hidden > 0
              ? `hidden layer of ${report.hidden}, least squares`
              : 'least squares, cross-validated',
          revision,
          frames,
          seed,
          folds,
          views,
          penalty,
          backend,
          by,
        },
        ...{
          accuracy,
          macroF1,
          promised,
          gate: report.gate.reason,
          allowed: report.gate.allowed,
          against: report.active?.version ?? 'none',
        },
      },
    });
    await writeFile(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    return await store.add(folder);
  } catch (cause) {
    if (cause instanceof QcError) throw cause;
    throw new QcError('dataset-write-failed', `the candidate cannot be kept: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const answers = (described: readonly Described[], said: readonly Probabilities[]) =>
  Object.fromEntries(described.map(({ frame }, i) => [frame.id, mostProbable(said[i]!)]));

function worstMistakes(described: readonly Described[], said: readonly Probabilities[]): Report['worst'] {
  return described
    .map(({ frame: { id, label } }, i) => {
      const most = mostProbable(said[i]!);
      return { id, label, said: most, probability: said[i]![most]! };
    })
    .filter(({ label, said: most }) => label !== most)
    .sort((a, b) => b.probability - a.probability)
    .slice(0, mostWorst);
}

function named({ labels }: { readonly labels: readonly string[] }, rows: readonly (readonly number[])[]) {
  return rows.map((row): Probabilities => Object.fromEntries(labels.map((label, k) => [label, row[k]!])));
}

const isRight = (said: readonly Probabilities[], truth: readonly string[]) =>
  said.map((one, i) => mostProbable(one) === truth[i]);
const shareOf = (right: readonly boolean[]) => right.filter(Boolean).length / Math.max(1, right.length);
const seconds = (ms: number) => Number((ms / 1000).toFixed(2));

function reduction(accuracy: number, other: number): number | null {
  return other >= 1 ? null : 1 - (1 - accuracy) / (1 - other);
}

function countLabels(frames: readonly Pick<LabelledFrame, 'label'>[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { label } of frames) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}
