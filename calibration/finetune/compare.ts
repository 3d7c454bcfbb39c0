/** Compares a fine-tuned base with the frozen one on the same held-out parts, and says what fine-tuning did. Pure. */
import { percent } from '../../models/percent.ts';
import { paired } from '../compare/significance.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { type Check, overFitting, shareOf } from '../train/checks.ts';
import type { Report } from '../train/report.ts';

export interface Compared {
  readonly mode: 'auto' | 'on';
  /** For each part, whether the frozen base with its head was right when the part was held out. */
  readonly frozen: readonly boolean[];
  readonly tuned: readonly boolean[];
  /** On the parts that it was trained on. */
  readonly seen: readonly boolean[];
  readonly frames: readonly Pick<LabelledFrame, 'labelledAt'>[];
  readonly groups: readonly number[];
  readonly seed: number;
  readonly epochs: number;
  readonly layers: number;
  readonly seconds: number;
}

const significance = 0.05;
/** A larger share of parts that were right before and are wrong now counts as forgetting. */
const maxForgotten = 0.05;

export function compareTuned(compared: Compared): NonNullable<Report['fineTuning']> {
  const { mode, frozen, tuned, seen, frames, groups, seed, epochs, layers, seconds } = compared;
  const { points, low, high, won, lost, p } = paired(tuned, frozen, groups, seed);
  const isBetter = points > 0 && p < significance;
  const used = mode === 'on' || isBetter;
  const shares = { frozen: shareOf(frozen), tuned: shareOf(tuned) };
  const figures = `${percent(shares.tuned)} of held-out parts correct, ${percent(shares.frozen)} without it (${signed(points)} points, ${signed(low)} to ${signed(high)}, p ${p < 0.001 ? 'below 0.001' : `= ${p.toFixed(3)}`})`;
  const asked = mode === 'on' ? ', as requested' : '';
  return {
    mode,
    used,
    sentence: used
      ? `the last block of the base (${layers} convolutions) was fine-tuned for ${epochs} epochs${asked}: ${figures}`
      : `fine-tuning the last block of the base was tried and is not used, because it is not significantly better: ${figures}`,
    epochs,
    layers,
    ...shares,
    points,
    low,
    high,
    p,
    won,
    lost,
    checks: [
      negativeTransferOf(shares, points, p),
      overFitting(seen, tuned),
      forgottenBy(frozen, tuned, frames),
    ],
    seconds,
  };
}

function negativeTransferOf(
  { frozen, tuned }: { frozen: number; tuned: number },
  points: number,
  p: number,
): Check {
  const ok = points >= 0;
  return {
    name: 'negative-transfer',
    ok,
    sentence: ok
      ? `fine-tuning does no harm: ${percent(tuned)} correct on held-out parts, ${percent(frozen)} without it`
      : `fine-tuning makes it worse${p < significance ? '' : ' (not significantly)'}: ${percent(tuned)} correct on held-out parts, ${percent(frozen)} without it`,
  };
}

/** Parts that the frozen base got right and the fine-tuned one gets wrong: of all, and of the half that was labelled first. */
function forgottenBy(
  frozen: readonly boolean[],
  tuned: readonly boolean[],
  frames: Compared['frames'],
): Check {
  const order = frames
    .map((_, i) => i)
    .sort((a, b) => (frames[a]!.labelledAt < frames[b]!.labelledAt ? -1 : 1));
  const of = (members: readonly number[]) => {
    const right = members.filter((i) => frozen[i]);
    return { right: right.length, lost: right.filter((i) => !tuned[i]).length };
  };
  const all = of(order);
  const early = of(order.slice(0, Math.ceil(order.length / 2)));
  const ok = [all, early].every(({ right, lost }) => lost <= maxForgotten * right);
  const counts = `${all.lost} of the ${all.right} parts that were right before are wrong after fine-tuning; ${early.lost} of ${early.right} among the half that was labelled first`;
  return {
    name: 'forgetting',
    ok,
    sentence: ok ? `it keeps what was learned: ${counts}` : `it has forgotten parts: ${counts}`,
  };
}

const signed = (points: number) => `${points >= 0 ? '+' : ''}${points.toFixed(1)}`;
