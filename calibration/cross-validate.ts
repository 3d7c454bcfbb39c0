/** Cross-validates a head for the doctor: the answer for each frame, and what more labels would gain. */
import type { Config } from '../config/schema.ts';
import type { Finding } from './finding.ts';
import { minFrames } from './train/choose-frames.ts';
import { byLabel } from './train/evaluate.ts';
import type { FrameFeatures } from './train/features.ts';
import { fitHead } from './train/fit.ts';
import { groupsOf } from './train/groups.ts';
import { type Learning, learningOf } from './train/learning/learning.ts';

/** Cross-validated answer for a frame. */
export interface HeldOutAnswer {
  readonly described: FrameFeatures;
  readonly said: string;
  /** Label of the prediction. */
  readonly probability: number;
  /** Of its own label. */
  readonly own: number;
}

export interface CrossValidation {
  readonly answers: readonly HeldOutAnswer[];
  /** Absent where training is impossible. */
  readonly learning?: Learning;
}

/** A gain that is worth a hint, by the lower end of its interval. */
const worthIt = 0.01;

/** Uses the labels with enough frames; no answers if training is impossible. @throws the reason of `signal` */
export async function crossValidate(
  described: readonly FrameFeatures[],
  { labels: { good }, thresholds }: Pick<Config, 'labels' | 'thresholds'>,
  signal: AbortSignal | undefined,
): Promise<CrossValidation> {
  const counts = new Map<string, number>();
  for (const { frame } of described) counts.set(frame.label, (counts.get(frame.label) ?? 0) + 1);
  const usable = described.filter(({ frame }) => counts.get(frame.label)! >= minFrames);
  if (new Set(usable.map(({ frame }) => frame.label)).size < 2) return { answers: [] };
  const group = groupsOf(usable);
  const examples = usable.map((one, i) => ({
    views: new Map([[0, one.features]]),
    label: one.frame.label,
    group: group[i]!,
  }));
  const head = await fitHead(examples, { seed: 1, signal });
  const answers = usable.map((one, i) => {
    const row = head.heldOut[i]!;
    const probability = Math.max(...row);
    const own = row[head.labels.indexOf(one.frame.label)]!;
    return { described: one, said: head.labels[row.indexOf(probability)]!, probability, own };
  });
  const heldOut = byLabel(head.labels, head.heldOut);
  const rules = { thresholds, good };
  return { answers, learning: await learningOf({ examples, head, heldOut, rules, seed: 1, signal }) };
}

/** A hint if more labels help, by the lower end of the interval. */
export function learningFindings({ learning }: CrossValidation): Finding[] {
  const gain = learning?.expected.find(({ accuracy }) => accuracy.low >= worthIt);
  if (!learning || !gain) return [];
  const most = learning.byLabel.slice(0, 2).map(({ label }) => label);
  return [
    {
      kind: 'more-labels',
      severity: 'hint',
      text: learning.sentence,
      remedy: `label more parts, ${most.join(' and ')} first`,
      frames: [],
    },
  ];
}
