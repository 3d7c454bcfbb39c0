/**
 * Adapts the head to a change of light or focus, without labels of the parts as they look now: the change is measured on recent
 * images, applied to the labelled images, and a head is trained on both. The labels are those that people gave, so that a run of
 * bad parts cannot turn into good ones. It is refused if light and focus do not explain how the recent parts differ.
 *
 * A defect that changes whole parts as light does, such as a film of oil, cannot be told from light on these images. So a person
 * must have looked at them: without that statement the gate refuses the candidate.
 */
import { QcError } from '../../config/errors.ts';
import { argmax } from '../../models/argmax.ts';
import { decodeHead, type HeadWeights, hellinger, probabilitiesOf } from '../../models/head.ts';
import type { Image } from '../../models/image.ts';
import { percent } from '../../models/percent.ts';
import type { Session } from '../../models/run/session.ts';
import type { Store } from '../../models/versions/store.ts';
import { changedFrame, type LabelledFrame, partOf } from '../dataset/frame.ts';
import { type ImagingChange, imagingOf } from '../dataset/imaging.ts';
import { imageOfFrame } from '../dataset/read-frame.ts';
import { drawEvenly } from '../train/draw.ts';
import { describeFrames } from '../train/features.ts';
import type { Gate } from '../train/gate.ts';
import { estimateChange, type Known } from './estimate.ts';

/** Fewer do not show what parts look like now. */
const minRecent = 30;
/** Labelled images that the recent ones are compared with. */
const maxKnown = 300;
/** Smaller differences of the mean features do not matter, in standard deviations of the labelled parts. */
const minShift = 0.25;
/** Share of the squared difference of the features that light and focus must explain. */
const minExplained = 0.5;
/** With a larger share of bad parts, it cannot be told whether parts or images have changed. */
const maxBad = 0.5;

export interface RecentParts {
  /** Folder or zip. */
  readonly images: string;
  /** Whether a person states that these are usual parts, most of them good. */
  readonly areUsual: boolean;
}

export interface Adaptation {
  readonly change: ImagingChange;
  /** What was measured, for the operator. */
  readonly sentences: readonly string[];
  /** Number of recent images. */
  readonly recent: number;
  /** Refuses a head if nobody has looked at the recent parts, or if it calls most of them bad. @throws as `Session.maps` */
  refusal(head: HeadWeights, session: Session): Promise<Gate | undefined>;
}

export interface AdaptationDeps extends Pick<RecentParts, 'areUsual'> {
  readonly store: Store;
  readonly session: Session;
  readonly storageDirectory: string;
  /** Labels of good parts. */
  readonly good: readonly string[];
  readonly seed: number;
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param frames labelled frames
 * @param recent images of the latest parts
 * @throws QcError adaptation-refused, with the reason
 */
export async function measureAdaptation(
  frames: readonly LabelledFrame[],
  recent: readonly Image[],
  { areUsual, store, session, storageDirectory, good, seed, onProgress, onNotice, signal }: AdaptationDeps,
): Promise<Adaptation> {
  if (recent.length < minRecent) {
    throw refused(
      `${recent.length} recent images are too few, ${minRecent} are needed`,
      'wait for more parts',
    );
  }
  const head = await activeHead(store, session);
  const look = lookWith(session, signal);

  // The mix of the recent parts, as the head sees it: it must not count as a change of light
  const features: Float32Array[] = [];
  const shares = head.labels.map(() => 1 / head.labels.length);
  for (const [i, image] of recent.entries()) {
    onProgress('looking at recent parts', i, recent.length);
    const seen = await look(head, image);
    features.push(hellinger(seen.features));
    seen.probabilities.forEach((probability, k) => {
      shares[k]! += probability;
    });
  }
  const drawn = drawEvenly(
    frames.filter(({ label }) => head.labels.includes(label)),
    maxKnown,
    seed,
  );
  const counts = head.labels.map((label) => drawn.filter((frame) => frame.label === label).length);
  const known: (Known & { readonly features: Float32Array; readonly frame: LabelledFrame })[] = [];
  const described = await describeFrames(drawn, {
    storageDirectory,
    base: session.facts.manifest,
    featuresOf: session.features,
    views: [0],
    onProgress: (done, total) => onProgress('comparing with labelled parts', done, total),
    onNotice,
    signal,
  });
  for (const { frame, features: seen } of described) {
    signal?.throwIfAborted();
    const image = await imageOfFrame(frame).catch(() => undefined);
    if (!image) continue;
    const k = head.labels.indexOf(frame.label);
    known.push({
      frame,
      read: () => imageOfFrame(frame),
      imaging: imagingOf(image),
      weight: shares[k]! / counts[k]!,
      features: hellinger(seen),
    });
  }
  if (known.length < 2) throw refused('there are no labelled images to compare with', 'label more parts');

  const { change, light, focus } = await estimateChange(known, recent.map(imagingOf));
  const sentences = [light.sentence, focus.sentence];
  const weights = known.map(({ weight }) => weight);
  const before = momentsOf(
    known.map((one) => one.features),
    weights,
  );
  const now = momentsOf(
    features,
    features.map(() => 1),
  );
  const shift = distanceBetween(before, now);
  const deviations = Math.sqrt(shift / before.spread);
  const said = sentences.join('; ');
  if (!light.isChanged && !focus.isChanged) {
    const reason =
      deviations > minShift
        ? `the recent parts differ from the labelled ones, but neither light nor focus has changed: other parts, another position, or a new defect`
        : 'the recent parts look like the labelled ones';
    throw refused(`${reason} (${said})`, deviations > minShift ? labelSome : 'nothing needs to be done');
  }
  if (deviations <= minShift) {
    throw refused(`the change does not matter to the model (${said})`, 'nothing needs to be done');
  }

  const changed: Float32Array[] = [];
  for (const [i, { frame }] of known.entries()) {
    onProgress('checking the change', i, known.length);
    signal?.throwIfAborted();
    changed.push(hellinger(await session.features(await imageOfFrame(changedFrame(frame, change)))));
  }
  const explained = 1 - distanceBetween(momentsOf(changed, weights), now) / shift;
  sentences.push(`light and focus explain ${percent(Math.max(0, explained))} of the difference`);
  if (explained < minExplained) {
    throw refused(`${sentences.join('; ')}: something else has changed too`, labelSome);
  }

  return {
    change,
    sentences,
    recent: recent.length,
    async refusal(candidate, on) {
      if (!areUsual) return unseen;
      if (!candidate.labels.some((label) => good.includes(label))) return undefined;
      const see = lookWith(on, signal);
      let bad = 0;
      for (const [i, image] of recent.entries()) {
        onProgress('judging the recent parts', i, recent.length);
        const { probabilities } = await see(candidate, image);
        if (!good.includes(candidate.labels[argmax(probabilities)]!)) bad++;
      }
      if (bad <= maxBad * recent.length) return undefined;
      const reason = `${bad} of ${recent.length} recent parts are bad with the adapted version too, so it cannot be told whether the images or the parts have changed`;
      return { allowed: false, reason };
    },
  };
}

/** Each frame and a copy of it after the change. Both count as one part, with the worse of the two. */
export function withChanged(frames: readonly LabelledFrame[], change: ImagingChange): LabelledFrame[] {
  return frames.flatMap((frame) => [{ ...frame, partId: partOf(frame) }, changedFrame(frame, change)]);
}

const unseen: Gate = {
  allowed: false,
  reason:
    'a defect that changes whole parts can look like a change of light: look at the recent images; if they show usual parts, most of them good, adapt with --usual-parts',
};

const labelSome = 'label some of the recent parts, then train';

const refused = (message: string, remedy: string) => new QcError('adaptation-refused', message, { remedy });

async function activeHead(store: Store, session: Session): Promise<HeadWeights> {
  const version = await store.active();
  if (version === undefined) throw refused('there is no active model version', 'train one first');
  const { manifest, model } = await store.read(version);
  const head = decodeHead(model, manifest.labels);
  if (!head || manifest.base.sha256 !== session.facts.manifest.sha256 || head.labels.length < 2) {
    throw refused(
      `${version} cannot be adapted: only a version that distinguishes labels, trained here on the base in use`,
      'label parts as they look now, then train',
    );
  }
  return head;
}

function lookWith(session: Session, signal: AbortSignal | undefined) {
  return async (head: HeadWeights, image: Image) => {
    signal?.throwIfAborted();
    const { features, maps } = head.cells
      ? await session.maps(image)
      : { features: await session.features(image), maps: undefined };
    return { features, probabilities: probabilitiesOf(head, features, maps) };
  };
}

interface Moments {
  readonly mean: Float64Array;
  /** Variance around the mean, summed over the features. */
  readonly spread: number;
  /** Effective number of parts. */
  readonly count: number;
}

function momentsOf(rows: readonly Float32Array[], weights: readonly number[]): Moments {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = new Float64Array(rows[0]!.length);
  rows.forEach((row, i) => {
    for (let d = 0; d < mean.length; d++) mean[d]! += (weights[i]! / total) * row[d]!;
  });
  let spread = 0;
  rows.forEach((row, i) => {
    for (let d = 0; d < mean.length; d++) spread += (weights[i]! / total) * (row[d]! - mean[d]!) ** 2;
  });
  const squares = weights.reduce((sum, weight) => sum + weight ** 2, 0);
  return { mean, spread: Math.max(1e-12, spread), count: total ** 2 / squares };
}

/** Squared distance of two means, without the part that is expected by chance. */
function distanceBetween(a: Moments, b: Moments): number {
  let sum = 0;
  for (let d = 0; d < a.mean.length; d++) sum += (a.mean[d]! - b.mean[d]!) ** 2;
  return Math.max(1e-12, sum - a.spread / a.count - b.spread / b.count);
}
