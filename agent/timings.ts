/**
 * Time of a part by stage, from the capture of its first image to its verdict. Stages have no gaps, so they add up to the
 * total. All times in ms by `monotonicMs`.
 */
import type { FrameTimes } from '../models/image.ts';
import type { RunTimes } from '../models/run/messages.ts';
import type { Timings } from './publish/messages.ts';

export interface PartTimes {
  /** Times of the first image; undefined if there is none, then all stages are 0. */
  readonly first: FrameTimes | undefined;
  /** When its last image had arrived. */
  readonly foundAt: number;
  /** Model runs for its images. */
  readonly runs: readonly RunTimes[];
  /** When the last answer of the model had arrived, or was no longer awaited. */
  readonly answeredAt: number;
  readonly decidedAt: number;
  /** When the result of the previous part was stored. */
  readonly turnAt: number;
}

/** In hundredths of a millisecond. Times are rounded, not the stages, so that the stages still add up. */
export function timingsOf(part: PartTimes): Timings {
  const { first } = part;
  const model = modelTimes(part);
  const stages = first
    ? {
        // A camera's own clock may be ahead of ours.
        capture: Math.max(0, first.arrivedAt - first.capturedAt),
        decode: first.decodedAt - first.arrivedAt,
        handover: first.takenAt - first.decodedAt,
        collect: part.foundAt - first.takenAt,
        ...model,
        decide: part.decidedAt - part.answeredAt,
        order: part.turnAt - part.decidedAt,
      }
    : nothing;
  let sum = 0;
  const rounded: Record<string, number> = {};
  for (const [stage, ms] of Object.entries(stages)) {
    const before = hundredths(sum);
    sum += Math.max(0, ms);
    rounded[stage] = hundredths(hundredths(sum) - before);
  }
  const { prepare, base, head, ...others } = rounded as Record<keyof typeof stages, number>;
  return {
    ...others,
    prepare,
    base,
    head,
    inference: hundredths(prepare + base + head),
    total: hundredths(sum),
  };
}

const nothing = {
  capture: 0,
  decode: 0,
  handover: 0,
  collect: 0,
  queue: 0,
  prepare: 0,
  base: 0,
  head: 0,
  answer: 0,
  decide: 0,
  order: 0,
};

/**
 * Splits the time from the last image to the last answer: model runs (overlapping ones counted once), return of the last
 * answer, and waiting before and between them.
 */
function modelTimes({ foundAt, answeredAt, runs }: PartTimes) {
  const spent = { prepare: 0, base: 0, head: 0 };
  let at = foundAt;
  let ran = 0;
  for (const run of [...runs].sort((one, other) => one.startedAt - other.startedAt)) {
    const from = Math.max(at, run.startedAt);
    const to = Math.min(answeredAt, run.startedAt + run.inferenceMs);
    if (to <= from) continue;
    const share = (to - from) / run.inferenceMs;
    spent.prepare += share * run.prepareMs;
    spent.head += share * run.headMs;
    spent.base += share * (run.inferenceMs - run.prepareMs - run.headMs);
    ran += to - from;
    at = to;
  }
  const answer = ran > 0 ? answeredAt - at : 0;
  return { queue: answeredAt - foundAt - ran - answer, ...spent, answer };
}

function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}
