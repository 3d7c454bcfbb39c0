/**
 * Training, from labelled frames to a model version: compute features, train a head, evaluate it on held-out parts, choose
 * thresholds, and store it as a version that may be promoted or not. Each step is a call; details are in the imports.
 */
import type { Config, TrainingConfig } from '../config/schema.ts';
import { onThisMachine } from '../models/run/providers.ts';
import { openSession } from '../models/run/session.ts';
import { withBaseInUse, withFrozenBase } from '../models/versions/pair.ts';
import { openStore } from '../models/versions/store.ts';
import { measureAdaptation, type RecentParts, withChanged } from './adapt/adaptation.ts';
import { recentImages } from './adapt/recent.ts';
import { judgedWithout } from './adapt/unadapted.ts';
import { readDataset } from './dataset/dataset.ts';
import type { LabelledFrame } from './dataset/frame.ts';
import { imageOfFrame } from './dataset/read-frame.ts';
import { installTuned, tunedCandidate } from './finetune/candidate.ts';
import { removeFineTuning } from './finetune/fine-tune.ts';
import { judgedByActive } from './train/active.ts';
import { openBaseOf } from './train/base-of-head.ts';
import { chooseFrames, trainableAs } from './train/choose-frames.ts';
import { byLabel, evaluate, mostProbable, rightOf } from './train/evaluate.ts';
import { familiarOf } from './train/familiar.ts';
import { describeFrames, type FrameFeatures } from './train/features.ts';
import { type Example, fitHead } from './train/fit.ts';
import { judgeCandidate } from './train/gate.ts';
import { openGoodCells } from './train/good-cells.ts';
import { trainGoodOnly } from './train/good-only.ts';
import { goodPartsOf, valuesOfGoodCells } from './train/good-parts.ts';
import { groupsOf, partsOf } from './train/groups.ts';
import { keepCandidate } from './train/keep-candidate.ts';
import { latencyOf } from './train/latency.ts';
import { learningOf } from './train/learning/learning.ts';
import { makeReport } from './train/make-report.ts';
import { bothMaps } from './train/maps.ts';
import { openPlaces } from './train/places-of-frames.ts';
import type { Report } from './train/report.ts';
import { chooseThresholds, promiseRisk, thresholdsFromCosts } from './train/thresholds.ts';
import { throttled } from './train/throttle.ts';
import { type Augmentation, type ViewSet, viewsOf } from './train/views.ts';

export interface TuneOptions {
  /** Default 1. */
  readonly seed?: number | undefined;
  /** A base to train on instead of the one in use. */
  readonly base?: string | undefined;
  /** Trains for the change of light or focus that recent images show. */
  readonly adaptTo?: RecentParts | undefined;
  /** Overrides `training` of the config. */
  readonly training?: Partial<TrainingConfig> | undefined;
  /** Who started it, for the record. */
  readonly by: string;
}

export interface TuneDeps {
  /** Receives the name of the current step and its progress. */
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Tuned {
  /** Of the candidate in the store, not promoted. */
  readonly version: string;
  readonly report: Report;
}

/** With `views: auto`, augmented views are added only up to this number of rows: they help most with few images. */
const maxRows = 3_200;

/** @throws QcError training-impossible, model-…; the reason of `signal`. The active head is never touched. */
export async function tune(
  {
    model: configured,
    labels: { good },
    thresholds,
    storage,
    ...config
  }: Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage' | 'training'>,
  { seed = 1, base: baseName, adaptTo, training: over = {}, by }: TuneOptions,
  { onProgress, onNotice, signal }: TuneDeps,
): Promise<Tuned> {
  const training = { ...config.training, ...over };
  // An unreadable record of the active version does not prevent a candidate.
  const inUse =
    baseName === undefined
      ? await withBaseInUse(configured, storage.directory).catch(() => configured)
      : { ...configured, base: baseName };
  const model = await withFrozenBase(inUse, storage.directory);
  const { views, augment, hidden, escapeRate, falseRejectRate, costs } = training;
  // Dataset
  const dataset = await readDataset(storage.directory, onNotice);
  const drawn = chooseFrames(dataset.frames, seed, onNotice);
  const trainable = trainableAs(drawn, good);

  // Features
  const began = performance.now();
  await using session = await openSession({ ...onThisMachine(model), storageDirectory: storage.directory });
  const base = session.facts.manifest;
  const store = await openStore(storage.directory);
  const adaptation =
    adaptTo === undefined
      ? undefined
      : await measureAdaptation(drawn, await recentImages(adaptTo.images, onNotice), {
          areUsual: adaptTo.areUsual,
          store,
          session,
          storageDirectory: storage.directory,
          good,
          seed,
          onProgress,
          onNotice,
          signal,
        });
  const chosen = adaptation ? withChanged(drawn, adaptation.change) : drawn;
  if (trainable === 'good parts') {
    const { falseAlarmRate } = training;
    const options = {
      store,
      storageDirectory: storage.directory,
      good,
      thresholds,
      falseAlarmRate,
      seed,
      by,
    };
    const { revision } = dataset;
    return await trainGoodOnly(session, chosen, { ...options, revision, onProgress, onNotice, signal });
  }
  const mapsOf = throttled(async (frame: Pick<LabelledFrame, 'file' | 'changed'>) => {
    return (await session.maps(await imageOfFrame(frame))).maps;
  });
  const sizes = bothMaps(session);
  const cells = sizes && openGoodCells({ sizes, mapsOf, seed, projectedTo: valuesOfGoodCells });
  const viewSet = views === 'auto' ? affordable(chosen.length, augment) : views;
  const places = await openPlaces(session, chosen, {
    storageDirectory: storage.directory,
    minFreeBytes: storage.minFreeMb * 1e6,
    views: viewSet,
    good,
    augment,
    hidden,
    onMaps: (frame, maps) => good.includes(frame.label) && cells?.keep(frame, maps),
    signal,
    onNotice,
  });
  const described = await describeFrames(chosen, {
    storageDirectory: storage.directory,
    base,
    featuresOf: places.featuresOf,
    views: viewsOf(viewSet, augment),
    onProgress: (done, total) => onProgress('computing features', done, total),
    onNotice,
    signal,
  });
  trainableAs(
    described.map(({ frame }) => frame),
    good,
  );
  const extracted = performance.now();

  // Head, and for comparison one that does not use the base
  const groups = groupsOf(described);
  const truth = described.map(({ frame }) => frame.label);
  const part = partsOf(described.map(({ frame }) => frame));
  const examples = (viewsOfFrame: (one: FrameFeatures) => Example['views']) =>
    described.map((one, i) => ({
      views: viewsOfFrame(one),
      label: truth[i]!,
      group: groups[i]!,
      part: part[i]!,
    }));
  const features = await fitHead(
    examples(({ views }) => views),
    { seed, augment, hidden, signal, onProgress: (done, total) => onProgress('training', done, total) },
  );
  const placed = await places.fit(
    features,
    described,
    examples(({ views }) => views),
    { seed, onProgress: (done, total) => onProgress('learning where defects are', done, total) },
  );
  const frozen = placed?.head ?? features;
  const tuned = await tunedCandidate({
    mode: adaptation ? 'off' : training.fineTune,
    base: model.base,
    frozen,
    probe: features,
    described,
    groups,
    seed,
    revision: dataset.revision,
    storageDirectory: storage.directory,
    minFreeBytes: storage.minFreeMb * 1e6,
    onProgress,
    onNotice,
    signal,
  });
  const own = tuned?.chosen;
  const head = own?.head ?? frozen;
  const familiar = await familiarOf(own?.described ?? described, groups, signal, own?.heldOut);
  // The memory is made of maps of the frozen base.
  const remembered = own
    ? undefined
    : cells &&
      familiar.distance &&
      (await goodPartsOf(described, {
        cells,
        labels: head.labels,
        good,
        group: groups,
        seed,
        onProgress: (done, total) => onProgress('learning good parts', done, total),
        signal,
      }));
  const plain = await fitHead(
    examples(({ statistics }) => new Map([[0, statistics]])),
    { seed, signal },
  );
  const trained = performance.now();

  // Evaluation on held-out parts
  const heldOut = byLabel(head.labels, head.heldOut);
  const targets = { escapeRate, falseRejectRate, risk: promiseRisk };
  const limits = costs
    ? thresholdsFromCosts(heldOut, truth, good, costs, part)
    : chooseThresholds(heldOut, truth, good, targets, thresholds, part);
  const rules = { thresholds: limits.thresholds, good };
  const evaluation = evaluate(heldOut, truth, rules, [], part);
  const learning = adaptation
    ? undefined
    : await learningOf({
        examples: examples(({ views }) => views),
        head,
        heldOut,
        rules,
        seed,
        signal,
      });

  // Gate
  const unadapted =
    adaptation &&
    (await judgedWithout(
      described.map(({ frame }) => frame),
      examples(({ views }) => views),
      features,
      { seed, signal },
    ));
  await using ofActive = openBaseOf(model, storage.directory);
  const judged = await judgedByActive(store, base, described, {
    mapsOf,
    ownBase: ofActive.lookWith,
    onNotice,
  });
  const active = judged && { ...judged, right: judged.right.map((right, i) => unadapted?.[i] ?? right) };
  const gate =
    (await adaptation?.refusal(head, session)) ?? judgeCandidate(rightOf(heldOut, truth), truth, active);

  const latencyMs = await latencyOf((image) => session.features(image), described[0]!.frame);
  const report = makeReport({
    described,
    head,
    plain,
    places: own ? undefined : placed,
    goodParts: remembered?.report,
    fineTuning: tuned?.report,
    heldOut,
    limits,
    evaluation,
    learning,
    adaptation,
    good,
    active,
    gate,
    drawn: chosen.map(({ label }) => label),
    facts: { revision: dataset.revision, seed, augment, hidden, latencyMs },
    ms: { features: extracted - began, training: trained - extracted },
  });
  signal?.throwIfAborted();
  const version = await keepCandidate(store, {
    base: own ? await installTuned(storage.directory, base, model.base, own) : base,
    head: { ...head, ...familiar, goodParts: remembered?.goodParts },
    minPeak: own ? undefined : placed?.minPeak,
    report,
    heldOut: Object.fromEntries(described.map(({ frame }, i) => [frame.id, mostProbable(heldOut[i]!)])),
    against: active?.version,
    by,
  });
  if (tuned) await removeFineTuning(storage.directory);
  return { version, report };
}

/** The largest set of orientations that stays within `maxRows`. */
function affordable(frames: number, augment: readonly Augmentation[]): ViewSet {
  const fits = (set: ViewSet) => frames * viewsOf(set, augment).length <= maxRows;
  return (['turns', 'flips'] as const).find(fits) ?? 'none';
}
