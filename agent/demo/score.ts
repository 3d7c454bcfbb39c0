/** Compares results with the true labels, and summarises them at the end. */
import type { Result } from '../publish/messages.ts';
import { matchTruth, type Truth } from './truth.ts';

export interface DemoSummary {
  /** Parts with a result, and parts that passed the camera without one during inspection. */
  readonly parts: number;
  /** Parts with a result. */
  readonly judged: number;
  /** Parts with the correct verdict and label. */
  readonly correct: number;
  /** correct / parts: a part without a result, or an uncertain one, is not correct. */
  readonly accuracy: number;
  readonly verdicts: { readonly pass: number; readonly fail: number; readonly uncertain: number };
  /** Parts without a result and parts with more than one: both should be 0. */
  readonly missed: number;
  readonly doubled: number;
  /** Capture to verdict, ms. */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
}

/** A result with the true part. */
export interface ScoredResult {
  readonly result: Result;
  /** Undefined if there was no part in the region. */
  readonly truth: Truth | undefined;
  readonly isRight: boolean;
}

export interface Score {
  /** A part that enters after `at` (ms since the epoch, default now) must get a result. */
  begin(at?: number): void;
  add(result: Result): ScoredResult;
  /** What was scored so far: every result that was added, and the parts that should have had one by now. */
  end(): DemoSummary;
}

/** How long after a part has left its result may take, ms. */
const graceMs = 1_500;
/** The demo may run for days: the summary covers the newest results. */
const keptResults = 1_000;

export function openScore(line: { readonly truths: readonly Truth[] }): Score {
  const results: Result[] = [];
  let beganAt = Number.POSITIVE_INFINITY;

  return {
    begin(at = Date.now()) {
      beganAt = at;
    },
    add(result) {
      results.push(result);
      if (results.length > keptResults) results.shift();
      const truth = matchTruth([result], line.truths).matches[0]?.truth;
      return { result, truth, isRight: isRight(result, truth) };
    },
    end() {
      const now = Date.now();
      const oldest = results.length === keptResults ? Date.parse(results[0]!.capturedAt) : 0;
      const due = ({ enteredAt, leftAt }: Truth) =>
        enteredAt >= Math.max(beganAt, oldest) && leftAt < now - graceMs;
      const matched = matchTruth(results, line.truths);
      const { matches, doubled } = matched;
      const missed = matched.missed.filter(due);
      const scored = matches.filter((match) => match.truth !== undefined);
      const verdicts = { pass: 0, fail: 0, uncertain: 0 };
      for (const { result } of scored) verdicts[result.verdict]++;
      const correct = new Set(
        scored.filter(({ result, truth }) => isRight(result, truth)).map(({ truth }) => truth),
      );
      for (const truth of doubled) correct.delete(truth);
      const totals = scored.map(({ result }) => result.timingsMs.total).sort((a, b) => a - b);
      const judged = new Set(scored.map(({ truth }) => truth)).size;
      const parts = judged + missed.length;
      return {
        parts,
        judged,
        correct: correct.size,
        accuracy: parts ? Number((correct.size / parts).toFixed(4)) : 0,
        verdicts,
        missed: missed.length,
        doubled: doubled.length,
        latencyMs: { p50: quantile(totals, 0.5), p99: quantile(totals, 0.99) },
      };
    },
  };
}

/** Whether a good part passed, or a defective one failed with its defect as the label. */
function isRight(result: Result, truth: Truth | undefined): boolean {
  if (!truth || result.label !== truth.label) return false;
  return result.verdict === (truth.label === 'good' ? 'pass' : 'fail');
}

function quantile(sorted: readonly number[], q: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0);
}
