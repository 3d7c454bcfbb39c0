/** Trains heads on one base for all frames and evaluates held-out answers as in training. */
import type { Config } from '../../config/schema.ts';
import type { Session } from '../../models/run/session.ts';
import type { Probabilities } from '../../models/verdict.ts';
import { decide } from '../../models/verdict.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { byLabel, type Evaluation, evaluate, rightOf } from '../train/evaluate.ts';
import { describeFrames, type FrameFeatures } from '../train/features.ts';
import { type Example, fitHead, type TrainedHead } from '../train/fit.ts';
import { partsOf } from '../train/groups.ts';
import { openPlaces, placesSentence } from '../train/places-of-frames.ts';
import { chooseThresholds, promiseRisk } from '../train/thresholds.ts';

export interface HeadOptions extends Pick<Config, 'labels' | 'thresholds' | 'training' | 'storage'> {
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Held-out answers for the frames. */
export interface HeldOutHead {
  readonly right: readonly boolean[];
  /** For each bad frame, whether it would pass; undefined for good ones. */
  readonly escaped: readonly (boolean | undefined)[];
  readonly evaluation: Evaluation;
  readonly promised: boolean;
  readonly places: string | null;
  readonly folds: number;
}

/** The same seed gives all bases the same folds. */
const seed = 1;

/** Features of the frames, without mirrored views. @throws QcError inference-stopped; the reason of `signal` */
export async function describeOn(
  session: Session,
  frames: readonly LabelledFrame[],
  { labels, storage, onProgress, onNotice, signal }: HeadOptions,
) {
  const places = await openPlaces(session, frames, {
    storageDirectory: storage.directory,
    minFreeBytes: storage.minFreeMb * 1e6,
    views: 'none',
    good: labels.good,
    augment: [],
    hidden: 0,
    signal,
    onNotice,
  });
  const described = await describeFrames(frames, {
    storageDirectory: storage.directory,
    base: session.facts.manifest,
    featuresOf: places.featuresOf,
    views: [0],
    onProgress: (done, total) => onProgress('computing features', done, total),
    onNotice,
    signal,
  });
  return { places, described };
}

/**
 * A head on features and, if training would try them, localized features.
 * @param groups of the frames, the same for all bases
 */
export async function headOn(
  { places, described }: Awaited<ReturnType<typeof describeOn>>,
  groups: readonly number[],
  options: HeadOptions,
): Promise<HeldOutHead> {
  const { onProgress, signal } = options;
  const examples = examplesOf(described, groups, ({ views }) => views);
  const features = await fitHead(examples, {
    seed,
    signal,
    onProgress: (done, total) => onProgress('training', done, total),
  });
  const placed = await places.fit(features, described, examples, {
    seed,
    onProgress: (done, total) => onProgress('learning where defects are', done, total),
  });
  const judged = judgedBy(placed?.head ?? features, described, options);
  return { ...judged, places: placed ? placesSentence(placed) : null };
}

/** A head on plain image statistics instead of a base. */
export async function statisticsHead(
  described: readonly FrameFeatures[],
  groups: readonly number[],
  options: HeadOptions,
): Promise<HeldOutHead> {
  const examples = examplesOf(described, groups, ({ statistics }) => new Map([[0, statistics]]));
  const head = await fitHead(examples, { seed, signal: options.signal });
  return { ...judgedBy(head, described, options), places: null };
}

function examplesOf(
  described: readonly FrameFeatures[],
  groups: readonly number[],
  viewsOf: (one: FrameFeatures) => Example['views'],
): Example[] {
  const part = partsOf(described.map(({ frame }) => frame));
  return described.map((one, i) => {
    return { views: viewsOf(one), label: one.frame.label, group: groups[i]!, part: part[i]! };
  });
}

function judgedBy(
  head: TrainedHead,
  described: readonly FrameFeatures[],
  { labels: { good }, thresholds, training: { escapeRate, falseRejectRate } }: HeadOptions,
): Omit<HeldOutHead, 'places'> {
  const heldOut = byLabel(head.labels, head.heldOut);
  const truth = described.map(({ frame }) => frame.label);
  const targets = { escapeRate, falseRejectRate, risk: promiseRisk };
  const part = partsOf(described.map(({ frame }) => frame));
  const limits = chooseThresholds(heldOut, truth, good, targets, thresholds, part);
  const rules = { thresholds: limits.thresholds, good };
  const passes = (one: Probabilities) => decide([one], rules, [undefined]).verdict === 'pass';
  return {
    right: rightOf(heldOut, truth),
    escaped: heldOut.map((one, i) => (good.includes(truth[i]!) ? undefined : passes(one))),
    evaluation: evaluate(heldOut, truth, rules, [], part),
    promised: limits.promised,
    folds: head.folds,
  };
}
