/** Compares the held-out accuracy of heads trained on float features with float and with int8 features. */
import type { Config } from '../../config/schema.ts';
import { familiarityOf } from '../../models/familiarity.ts';
import { hellinger, probabilitiesOf } from '../../models/head.ts';
import type { Image } from '../../models/image.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { HeldOutCheck } from '../../models/quantize/quantize.ts';
import { onThisMachine } from '../../models/run/providers.ts';
import { openSession } from '../../models/run/session.ts';
import { decide, type Thresholds } from '../../models/verdict.ts';
import { openStore } from '../../models/versions/store.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { readFrame } from '../dataset/read-frame.ts';
import { drawEvenly } from './draw.ts';
import { mostProbable } from './evaluate.ts';
import { type Familiar, familiarOf } from './familiar.ts';
import { type DescribeOptions, describeFrames, type FrameFeatures } from './features.ts';
import { fitHead, type TrainedHead } from './fit.ts';
import { foldsOf } from './folds.ts';
import { groupsOf } from './groups.ts';
import { throttled } from './throttle.ts';

/** Maximum loss of accuracy, and maximum increase of the escape rate. */
const maxLoss = 0.005;
/** Maximum increase of the share of parts that are called unfamiliar. */
const maxUnfamiliar = 0.01;
/** Maximum number of frames, drawn evenly over the labels. */
const maxFrames = 600;
const folds = 5;
/** Minimum per label, as for training. */
const minFrames = 4;

type Deps = Pick<DescribeOptions, 'onNotice' | 'signal'> & {
  readonly onProgress: (step: string, done: number, total: number) => void;
};

/** A head trained without one fold, and the frames of that fold. */
interface Fold {
  readonly head: TrainedHead;
  readonly familiar: Familiar;
  readonly held: readonly FrameFeatures[];
}

/**
 * Trains heads on float features, each without a fifth of the frames, and returns a function that evaluates int8 features with
 * them. Undefined if there are too few labelled frames.
 */
export async function judgeOf(
  {
    model,
    labels: { good },
    thresholds,
    storage,
  }: Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage'>,
  base: BaseManifest,
  frames: readonly LabelledFrame[],
  { onProgress, onNotice, signal }: Deps,
): Promise<((features: (image: Image) => Promise<Float32Array>) => Promise<HeldOutCheck>) | undefined> {
  const chosen = drawEvenly(frames, maxFrames, 1);
  const labels = [...new Set(chosen.map(({ label }) => label))];
  const few = labels.find((label) => chosen.filter((one) => one.label === label).length < minFrames);
  if (labels.length < 2 || few !== undefined) {
    const why = few === undefined ? 'all frames have one label' : `${few} has fewer than ${minFrames} frames`;
    onNotice(`accuracies are not compared: ${why}`);
    return undefined;
  }
  const described = await describeFloat(chosen);
  const group = groupsOf(described);
  const grouped = described.map(({ frame }, i) => ({ label: frame.label, group: group[i]! }));
  const fold = foldsOf(grouped, folds, 1);
  const made: Fold[] = [];
  for (let held = 0; held < folds; held++) {
    onProgress('cross-validation', held, folds);
    const rest = described.filter((_, i) => fold[i] !== held);
    const restGroup = group.filter((_, i) => fold[i] !== held);
    const known = new Set(rest.map(({ frame }) => frame.label));
    if (known.size < 2) continue;
    const examples = rest.map(({ frame, features }, i) => ({
      views: new Map([[0, features]]),
      label: frame.label,
      group: restGroup[i]!,
    }));
    made.push({
      head: await fitHead(examples, { seed: 1, signal }),
      familiar: await familiarOf(rest, restGroup, signal),
      held: described.filter(({ frame }, i) => fold[i] === held && known.has(frame.label)),
    });
  }
  onProgress('cross-validation', folds, folds);
  const limits = (await activeThresholds(storage.directory)) ?? thresholds;
  const count = made.reduce((sum, { held }) => sum + held.length, 0);
  if (count === 0) return undefined;

  return async (features) => {
    const float = { right: 0, unfamiliar: 0, escapes: 0 };
    const int8 = { right: 0, unfamiliar: 0, escapes: 0 };
    let bad = 0;
    let done = 0;
    for (const { held, ...by } of made) {
      for (const { frame, features: exact } of held) {
        signal?.throwIfAborted();
        onProgress('evaluating held-out parts', done++, count);
        const changed = await features(await decodePicture(await readFrame(frame)));
        if (!good.includes(frame.label)) bad++;
        for (const [counts, seen] of [
          [float, exact],
          [int8, changed],
        ] as const) {
          const said = answer(by, seen, limits, good);
          if (said.label === frame.label) counts.right++;
          if (said.unfamiliar) counts.unfamiliar++;
          if (said.passes && !good.includes(frame.label)) counts.escapes++;
        }
      }
    }
    onProgress('evaluating held-out parts', count, count);
    const shares = (of: 'right' | 'unfamiliar') => ({ fp32: float[of] / count, int8: int8[of] / count });
    const heldOut: HeldOutCheck['heldOut'] = {
      frames: count,
      ...shares('right'),
      unfamiliar: shares('unfamiliar'),
      escapes: bad > 0 && bad < count ? { fp32: float.escapes / bad, int8: int8.escapes / bad } : null,
    };
    return { heldOut, refusal: refusalOf(heldOut) };
  };

  async function describeFloat(wanted: readonly LabelledFrame[]): Promise<FrameFeatures[]> {
    await using session = await openSession({
      ...onThisMachine(model),
      precision: 'fp32',
      storageDirectory: storage.directory,
    });
    return await describeFrames(wanted, {
      storageDirectory: storage.directory,
      base,
      featuresOf: throttled((image: Image) => session.features(image)),
      views: [0],
      onProgress: (done, total) => onProgress('computing features', done, total),
      onNotice,
      signal,
    });
  }
}

/** The judgement of one part by its features. */
function answer(
  { head, familiar }: Pick<Fold, 'head' | 'familiar'>,
  features: Float32Array,
  thresholds: Thresholds,
  good: readonly string[],
) {
  const values = probabilitiesOf(head, features);
  const said = Object.fromEntries(head.labels.map((label, k) => [label, values[k]!]));
  const familiarity = familiarityOf(familiar, hellinger(features));
  const rules = { thresholds, familiar: familiar.minFamiliarity, good };
  return {
    label: mostProbable(said),
    unfamiliar: familiarity < familiar.minFamiliarity,
    passes: decide([said], rules, [familiarity]).verdict === 'pass',
  };
}

function refusalOf({ fp32, int8, unfamiliar, escapes }: HeldOutCheck['heldOut']): string | undefined {
  const points = (share: number) => `${(100 * share).toFixed(2)} points`;
  if (fp32 - int8 > maxLoss + 1e-9) {
    return `${points(fp32 - int8)} fewer held-out parts are judged correctly, ${points(maxLoss)} are allowed`;
  }
  if (escapes && escapes.int8 - escapes.fp32 > maxLoss + 1e-9) {
    return `${points(escapes.int8 - escapes.fp32)} more bad parts pass, ${points(maxLoss)} are allowed`;
  }
  if (unfamiliar.int8 - unfamiliar.fp32 > maxUnfamiliar + 1e-9) {
    return `${points(unfamiliar.int8 - unfamiliar.fp32)} more parts are called unfamiliar, ${points(maxUnfamiliar)} are allowed`;
  }
  return undefined;
}

/** The thresholds of the active version; undefined if it has none or cannot be read. */
async function activeThresholds(storageDirectory: string): Promise<Thresholds | undefined> {
  try {
    const store = await openStore(storageDirectory);
    const version = await store.active();
    return version === undefined ? undefined : (await store.read(version)).manifest.thresholds;
  } catch {
    return undefined;
  }
}
