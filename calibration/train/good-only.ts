/**
 * Training while no defect has enough frames: a head with which parts like the good ones pass and all others are uncertain.
 * The frames of defects, too few for training, are used to report how many of them would be uncertain.
 */
import { QcError } from '../../config/errors.ts';
import { argmax } from '../../models/argmax.ts';
import { anomalyScoreOf, familiarityOfScore, type GoodMemory } from '../../models/good-memory.ts';
import type { Image } from '../../models/image.ts';
import { encodeGoodMemory } from '../../models/onnx/memory-graph.ts';
import type { Session } from '../../models/run/session.ts';
import type { Thresholds } from '../../models/verdict.ts';
import type { Store } from '../../models/versions/store.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { imageOfFrame } from '../dataset/read-frame.ts';
import { countLabels } from './choose-frames.ts';
import { drawEvenly } from './draw.ts';
import { describeFrames } from './features.ts';
import { openGoodCells } from './good-cells.ts';
import { goodOnlyActive, judgeGoodOnly } from './good-only-gate.ts';
import { reportGoodOnly } from './good-only-report.ts';
import { groupsOf, partsOf } from './groups.ts';
import { keepGoodOnly } from './keep-candidate.ts';
import { latencyOf } from './latency.ts';
import { bothMaps } from './maps.ts';
import { minPeak } from './min-peak.ts';
import { minGood, rememberGood } from './remember-good.ts';
import type { Report } from './report.ts';
import { throttled } from './throttle.ts';

export interface GoodOnlyOptions {
  readonly store: Store;
  readonly storageDirectory: string;
  /** Labels of good parts. */
  readonly good: readonly string[];
  readonly thresholds: Thresholds;
  readonly falseAlarmRate: number;
  readonly seed: number;
  /** Revision of the dataset. */
  readonly revision: string;
  /** Who started it. */
  readonly by: string;
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Maximum number of good parts: more cost time and improve the guarantee little (600 guarantee 0.5 %). */
const maxGood = 600;
/** Maximum number of evaluated frames of defects. */
const maxDefects = 100;

/**
 * @param frames labelled frames for which `trainableAs` returns good parts
 * @throws QcError training-impossible, inference-stopped; the reason of `signal`
 */
export async function trainGoodOnly(
  session: Session,
  frames: readonly LabelledFrame[],
  options: GoodOnlyOptions,
): Promise<{ readonly version: string; readonly report: Report }> {
  const { store, storageDirectory, good, falseAlarmRate, seed, by } = options;
  const { onProgress, onNotice, signal } = options;
  const { manifest: base } = session.facts;
  const sizes = bothMaps(session);
  if (!sizes) throw withoutMaps(base.name);
  const isGood = ({ label }: LabelledFrame) => good.includes(label);
  const goodFrames = frames.filter(isGood);
  const chosen = drawEvenly(goodFrames, maxGood, seed);
  if (chosen.length < goodFrames.length) {
    onNotice(`${chosen.length} of ${goodFrames.length} good parts are used`);
  }
  const defects = drawEvenly(
    frames.filter((frame) => !isGood(frame)),
    maxDefects,
    seed,
  );

  // Features and cells, from one run of the base
  const began = performance.now();
  const look = throttled((image: Image) => session.maps(image));
  const mapsOf = async (frame: Pick<LabelledFrame, 'file' | 'changed'>) =>
    (await look(await imageOfFrame(frame))).maps;
  const cells = openGoodCells({ sizes, mapsOf, seed });
  const described = await describeFrames(chosen, {
    storageDirectory,
    base,
    async featuresOf(image, { frame }) {
      const seen = await look(image);
      cells.keep(frame, seen.maps);
      return seen.features;
    },
    views: [0],
    onProgress: (done, total) => onProgress('computing features', done, total),
    onNotice,
    signal,
  });
  const parts = described.map(({ frame }) => frame);
  const part = partsOf(parts);
  requireParts(part);
  const extracted = performance.now();

  // Memory
  const groups = groupsOf(described);
  const made = await rememberGood(cells.sourceOf(parts), {
    // If nearly all good parts look the same, each is its own group.
    group: new Set(groups).size >= minGood ? groups : part,
    part,
    seed,
    falseAlarmRate,
    signal,
    onProgress: (done, total) => onProgress('learning good parts', done, total),
  });
  const { memory } = made;

  // Evaluation on held-out good parts and on defects
  const judged = [...parts, ...defects];
  const scoreOf = async (by: GoodMemory, frame: LabelledFrame) => {
    signal?.throwIfAborted();
    return anomalyScoreOf(by, await mapsOf(frame)).score;
  };
  const scores = [...made.heldOut];
  for (const [i, frame] of defects.entries()) {
    onProgress('evaluating defects', i, defects.length);
    scores.push(await scoreOf(memory, frame));
  }
  const passes = scores.map((value) => value <= memory.limit);

  // Gate
  const active = await goodOnlyActive(store, { base, good, judged, scoreOf, onNotice });
  const gate = judgeGoodOnly(passes, judged.map(isGood), falseAlarmRate, active);

  const label = commonestOf(parts.map((frame) => frame.label));
  const latencyMs = await latencyOf((image) => session.maps(image), parts[0]!);
  const report = reportGoodOnly({
    label,
    truth: judged.map((frame) => frame.label),
    good,
    familiarity: scores.map((value) => familiarityOfScore(value, memory.limit)),
    made,
    thresholds: options.thresholds,
    gate,
    active,
    facts: { revision: options.revision, seed, latencyMs },
    ms: { features: extracted - began, training: performance.now() - extracted },
  });
  signal?.throwIfAborted();
  const version = await keepGoodOnly(store, {
    base,
    head: { model: encodeGoodMemory(memory, label), labels: [label], temperature: 1, limit: memory.limit },
    minPeak: minPeak(
      made.peaks,
      made.peaks.map(() => true),
    ),
    report,
    heldOut: Object.fromEntries(judged.map(({ id }, i) => [id, passes[i] ? label : heldBack])),
    against: active?.version,
    by,
  });
  return { version, report };
}

/** The recorded answer to a frame that does not pass. */
const heldBack = 'uncertain';

const withoutMaps = (base: string) =>
  new QcError(
    'training-impossible',
    `training on good parts only is impossible with the base ${base}, which has no feature maps of stages 2 and 3`,
    { remedy: 'label at least four frames of a defect as well, or set model.base to resnet50-embedded' },
  );

/** @param part of each frame */
function requireParts(part: readonly number[]): void {
  const different = new Set(part).size;
  if (different >= minGood) return;
  throw new QcError(
    'training-impossible',
    `the ${part.length} good frames show ${different} different parts, ${minGood} are needed: ${minGood - different} more`,
  );
}

/** The head has one label: the most frequent good one. */
function commonestOf(labels: readonly string[]): string {
  const counts = Object.entries(countLabels(labels));
  return counts[argmax(counts.map(([, count]) => count))]![0];
}
