/** Which labelled defects a mark would help most: those that heads which had not seen them judge wrong or uncertain. Pure. */
import type { Probabilities } from '../../models/verdict.ts';
import { mostProbable } from './evaluate.ts';

export interface DoubtfulDefect {
  readonly id: string;
  readonly label: string;
  /** What a head that had not seen it takes it for. */
  readonly said: string;
  /** Of its own label, from that head. */
  readonly probability: number;
}

/** Marked frames of a label from which on more of them help little. */
export const enoughMarked = 10;
/** As many as a person marks in a minute. */
export const maxWanted = 8;
/** A defect that is recognised less surely is uncertain. */
const sure = 0.8;
/** Kept in a report: some of them will be marked, relabelled or removed. */
const maxKept = 40;

/** @param heldOut what a head that had not seen each frame says of it @returns the most doubtful first */
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
 * Of doubtful defects those that still have their label and no mark, as long as few of that label are marked.
 * @param frames that are in the dataset now @param marked ids of those that have marks
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
