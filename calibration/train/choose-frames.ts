/** Chooses the labelled frames for training and checks that there are enough. */
import { QcError } from '../../config/errors.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { drawEvenly } from './draw.ts';

/** Minimum per label: fewer cannot be split into training and held-out frames. */
const minFrames = 4;
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

/** @throws QcError training-impossible */
export function requireEnough(frames: readonly LabelledFrame[]): void {
  const counts = Object.entries(countLabels(frames.map(({ label }) => label)));
  const impossible = (what: string) => new QcError('training-impossible', what);
  if (counts.length === 0) throw impossible('there are no labelled frames');
  if (counts.length === 1) throw impossible(`all ${frames.length} frames have the label ${counts[0]![0]}`);
  const few = counts.filter(([, count]) => count < minFrames);
  if (few.length > 0) {
    const list = few.map(([label, count]) => `${label} has ${count}`).join(', ');
    throw impossible(`each label needs at least ${minFrames} frames: ${list}`);
  }
}

export function countLabels(labels: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}
