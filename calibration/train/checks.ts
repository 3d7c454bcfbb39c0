/** The classic failures of transfer learning, tested for by name and told in an operator's words. Pure. */
import { percent } from '../../models/percent.ts';

export interface Check {
  readonly name: 'negative-transfer' | 'over-fitting' | 'forgetting';
  readonly ok: boolean;
  readonly sentence: string;
}

/** Share of those that are right, 0 to 1. */
export const shareOf = (right: readonly boolean[]) =>
  right.filter(Boolean).length / Math.max(1, right.length);

/** Does the frozen base help at all? Both judged on the same folds. */
export function negativeTransfer(base: readonly boolean[], statistics: readonly boolean[]): Check {
  const [with_, without] = [shareOf(base), shareOf(statistics)];
  const ok = with_ >= without;
  return {
    name: 'negative-transfer',
    ok,
    sentence: ok
      ? `the base helps: ${percent(with_)} right, ${percent(without)} from plain brightness, colour and edges`
      : `the base does not help here: ${percent(with_)} right, but ${percent(without)} from plain brightness, colour and edges; try another base or region`,
  };
}

/** Learned by heart what it was shown: much better on seen parts than on held-out ones. */
export function overFitting(seen: readonly boolean[], heldOut: readonly boolean[]): Check {
  const gap = shareOf(seen) - shareOf(heldOut);
  const ok = gap <= 0.1;
  return {
    name: 'over-fitting',
    ok,
    sentence: ok
      ? `it holds on new parts: ${percent(shareOf(heldOut))} right, ${percent(shareOf(seen))} on those it has seen`
      : `it has learned parts by heart: ${percent(shareOf(seen))} right on those it has seen, ${percent(shareOf(heldOut))} on new ones; label more parts`,
  };
}

/** On the parts that were labelled before the active head was made, does the new head still do as well? */
export function forgetting(candidate: readonly boolean[], active: readonly boolean[]): Check {
  if (active.length === 0) {
    return { name: 'forgetting', ok: true, sentence: 'there is no earlier head that could be forgotten' };
  }
  const [now, before] = [shareOf(candidate), shareOf(active)];
  // The active head has been trained on these parts, the candidate is judged without them: some loss is no forgetting.
  const ok = before - now <= 0.05;
  return {
    name: 'forgetting',
    ok,
    sentence: ok
      ? `it has not forgotten: ${percent(now)} right on the ${active.length} parts labelled before the active head, which gets ${percent(before)}`
      : `it has forgotten: ${percent(now)} right on the ${active.length} parts labelled before the active head, which gets ${percent(before)}`,
  };
}
