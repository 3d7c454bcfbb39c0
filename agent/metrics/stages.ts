/** Time of a part by stage (docs/timings.md). */
import { monotonicMs } from '../../models/run/monotonic.ts';
import { type Result, stageNames } from '../publish/messages.ts';
import type { Numbered } from '../publish/outbox/outbox.ts';
import type { Declare } from './declare.ts';

/** Half a millisecond to five seconds. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
/**
 * Maximum number of remembered verdicts on their way to the broker; while it is unavailable, more are waiting than are of
 * interest.
 */
const maxUnderWay = 256;

export function declareStages({ histogram }: Declare) {
  const seconds = histogram(
    'qc_stage_seconds',
    'Time of a part per stage, from capture to the acknowledgement of its verdict by the broker',
    ['stage'],
    buckets,
  );
  const keyOf = ({ camera, sequence }: Numbered) => `${camera}/${sequence}`;
  /** Times of storage, oldest first. */
  const underWay = new Map<string, number>();
  return {
    /** Observes the stages up to the verdict of a judged part; a failed one would only look fast. */
    partTimed({ state, timingsMs }: Pick<Result, 'state' | 'timingsMs'>): void {
      if (state !== 'completed') return;
      for (const stage of stageNames) seconds.observe({ stage }, (timingsMs[stage] ?? 0) / 1000);
    },
    /** Observes the time for passing the image to the evidence. */
    evidenceTaken(ms: number): void {
      seconds.observe({ stage: 'evidence' }, ms / 1000);
    },
    /** The outbox has stored the result. @param putAt by `monotonicMs` */
    partStored(part: Numbered, putAt: number): void {
      const now = monotonicMs();
      seconds.observe({ stage: 'store' }, (now - putAt) / 1000);
      underWay.set(keyOf(part), now);
      for (const oldest of underWay.keys()) if (underWay.size > maxUnderWay) underWay.delete(oldest);
    },
    /** The broker has acknowledged the verdict, which was not delayed. */
    partPublished(part: Numbered): void {
      const storedAt = underWay.get(keyOf(part));
      if (storedAt === undefined) return;
      underWay.delete(keyOf(part));
      seconds.observe({ stage: 'publish' }, (monotonicMs() - storedAt) / 1000);
    },
  };
}
