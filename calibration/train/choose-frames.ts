/** Chooses the labelled frames for training and checks that there are enough. */
import { QcError } from '../../config/errors.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { labelCounts } from '../dataset/label-counts.ts';
import { drawEvenly } from './draw.ts';
import { minGood } from './remember-good.ts';

/** Minimum per label: fewer cannot be split into training and held-out frames. */
export const minFrames = 4;
/** Maximum number of frames, drawn evenly over the labels: it bounds time and memory, and a linear head gains nothing from more. */
const maxFrames = 5_000;

export function chooseFrames(
  frames: readonly LabelledFrame[],
  seed: number,
  onNotice: (text: string) => void,
): readonly LabelledFrame[] {
  const drawn = drawEvenly(frames, maxFrames, seed);
  if (drawn.length < frames.length) {
    onNotice(`${drawn.length} of ${frames.length} frames are used, evenly over the labels`);
  }
  return drawn;
}

/** What the frames are sufficient for: a head for good parts only, or one that distinguishes labels. */
export type Trainable = 'good parts' | 'labels';

/**
 * As long as no defect has enough frames, good parts alone are learned.
 * @param good labels of good parts
 * @throws QcError training-impossible, with how many frames are missing
 */
export function trainableAs(
  frames: readonly Pick<LabelledFrame, 'label'>[],
  good: readonly string[],
): Trainable {
  const counts = Object.entries(countLabels(frames.map(({ label }) => label)));
  const impossible = (what: string) => new QcError('training-impossible', what);
  if (counts.length === 0) throw impossible('there are no labelled frames');
  const goodParts = frames.filter(({ label }) => good.includes(label)).length;
  const few = counts.filter(([, count]) => count < minFrames);
  const list = few.map(([label, count]) => `${label} has ${count}`).join(', ');
  if (goodParts > 0 && !isDefectKnown(frames, good)) {
    if (goodParts >= minGood) return 'good parts';
    const missing = `a model version for good parts only needs ${minGood} of them, and there are ${goodParts}: ${minGood - goodParts} more`;
    const isDefect = counts.length > 1;
    throw impossible(
      isDefect ? `${missing}; one that knows defects needs ${minFrames} of each label: ${list}` : missing,
    );
  }
  if (counts.length === 1) throw impossible(`all ${frames.length} frames have the label ${counts[0]![0]}`);
  if (few.length > 0) throw impossible(`each label needs at least ${minFrames} frames: ${list}`);
  return 'labels';
}

/** Whether a defect has enough frames to be learned. */
export function isDefectKnown(
  frames: readonly Pick<LabelledFrame, 'label'>[],
  good: readonly string[],
): boolean {
  return Object.entries(countLabels(frames.map(({ label }) => label))).some(
    ([label, count]) => !good.includes(label) && count >= minFrames,
  );
}

export function countLabels(labels: readonly string[]): Record<string, number> {
  return Object.fromEntries(labelCounts(labels));
}
