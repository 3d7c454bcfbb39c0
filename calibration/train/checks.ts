/** Checks for common failures of transfer learning, with a sentence for the operator. Pure. */
import { percent } from '../../models/percent.ts';

export interface Check {
  readonly name: 'negative-transfer' | 'over-fitting' | 'forgetting';
  readonly ok: boolean;
  readonly sentence: string;
}

/** Share of those that are right, 0 to 1. */
export const shareOf = (right: readonly boolean[]) =>
  right.filter(Boolean).length / Math.max(1, right.length);

/** Compares the base with plain image statistics on the same folds. */
export function negativeTransfer(base: readonly boolean[], statistics: readonly boolean[]): Check {
  const [with_, without] = [shareOf(base), shareOf(statistics)];
  const ok = with_ >= without;
  return {
    name: 'negative-transfer',
    ok,
    sentence: ok
      ? `the base model helps: ${percent(with_)} correct, ${percent(without)} from brightness, colour and edges alone`
      : `the base model does not help here: ${percent(with_)} correct, but ${percent(without)} from brightness, colour and edges alone; try another base model or region`,
  };
}

/** Compares the accuracy on training parts with that on held-out parts. */
export function overFitting(seen: readonly boolean[], heldOut: readonly boolean[]): Check {
  const gap = shareOf(seen) - shareOf(heldOut);
  const ok = gap <= 0.1;
  return {
    name: 'over-fitting',
    ok,
    sentence: ok
      ? `it works on new parts: ${percent(shareOf(heldOut))} correct, ${percent(shareOf(seen))} on the parts it was trained on`
      : `it overfits: ${percent(shareOf(seen))} correct on the parts it was trained on, but ${percent(shareOf(heldOut))} on new parts; label more parts`,
  };
}

/** Compares both heads on the parts that were labelled before the active head was trained. */
export function forgetting(candidate: readonly boolean[], active: readonly boolean[]): Check {
  if (active.length === 0) {
    return { name: 'forgetting', ok: true, sentence: 'there is no earlier model version to compare with' };
  }
  const [now, before] = [shareOf(candidate), shareOf(active)];
  // The active head was trained on these parts, the candidate is evaluated without them: a small loss is not forgetting.
  const ok = before - now <= 0.05;
  return {
    name: 'forgetting',
    ok,
    sentence: ok
      ? `it keeps what was learned: ${percent(now)} correct on the ${active.length} parts labelled before the active version, which has ${percent(before)}`
      : `it has forgotten parts: ${percent(now)} correct on the ${active.length} parts labelled before the active version, which has ${percent(before)}`,
  };
}
