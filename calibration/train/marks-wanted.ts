/**
 * Finds the labelled defects for which a mark would help most: those that are wrong or uncertain in the cross-validation.
 * Pure.
 */
import type { Probabilities } from '../../models/verdict.ts';
import { mostProbable } from './evaluate.ts';

export interface DoubtfulDefect {
  readonly id: string;
  readonly label: string;
  /** Label predicted by a head that was trained without it. */
  readonly said: string;
  /** Probability of its own label in that prediction. */
  readonly probability: number;
}

/** Number of marked frames of a label above which more help little. */
export const enoughMarked = 10;
/** About as many as a person can mark in a minute. */
export const maxWanted = 8;
/** Probability below which a defect is uncertain. */
const sure = 0.8;
/** Maximum number in a report: some of them will be marked, relabelled or removed. */
const maxKept = 40;

/** @param heldOut prediction for each frame by a head that was trained without it @returns the most doubtful first */
export function doubtfulDefects(
  frames: readonly { readonly id: string; readonly label: string }[],
  heldOut: readonly Probabilities[],
  good: readonly string[],
): DoubtfulDefect[] {
  return frames
    .map(({ id, label }, i) => {
      const said = mostProbable(heldOut[i]!);
      return { id, label, said, probability: heldOut[i]![label] ?? 0 };
    })
    .filter(({ label, said, probability }) => !good.includes(label) && (said !== label || probability < sure))
    .sort((a, b) => a.probability - b.probability)
    .slice(0, maxKept);
}

/**
 * The doubtful defects that still have their label and no mark, while few frames of that label are marked.
 * @param frames current frames of the dataset @param marked ids of the frames with marks
 */
export function marksWanted(
  doubtful: readonly DoubtfulDefect[],
  frames: readonly { readonly id: string; readonly label: string }[],
  marked: Pick<ReadonlySet<string>, 'has'>,
): DoubtfulDefect[] {
  const labels = new Map(frames.map(({ id, label }) => [id, label]));
  const counts = new Map<string, number>();
  for (const { id, label } of frames) if (marked.has(id)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return doubtful
    .filter(
      ({ id, label }) =>
        labels.get(id) === label && !marked.has(id) && (counts.get(label) ?? 0) < enoughMarked,
    )
    .slice(0, maxWanted);
}
