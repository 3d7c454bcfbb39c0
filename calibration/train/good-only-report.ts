/** Builds the report of a head that was trained on good parts only. Pure. */
import { familiarityThreshold } from '../../models/familiarity.ts';
import type { Thresholds } from '../../models/verdict.ts';
import { shareOf } from './checks.ts';
import { countLabels } from './choose-frames.ts';
import { evaluate } from './evaluate.ts';
import type { Gate } from './gate.ts';
import type { GoodOnlyActive } from './good-only-gate.ts';
import { interval95 } from './interval.ts';
import type { Remembered } from './remember-good.ts';
import type { Report } from './report.ts';

export interface MeasuredGoodOnly {
  /** The only label of the head. */
  readonly label: string;
  /** Label of each frame: good ones first, then defects. */
  readonly truth: readonly string[];
  /** Labels of good parts. */
  readonly good: readonly string[];
  /** Score of each frame against a memory without it. */
  readonly familiarity: readonly number[];
  readonly made: Remembered;
  readonly thresholds: Thresholds;
  readonly gate: Gate;
  readonly active: GoodOnlyActive | undefined;
  readonly facts: Pick<Report, 'revision' | 'seed' | 'latencyMs'>;
  readonly ms: { readonly features: number; readonly training: number };
}

/** A good part is correct if it passes, a defect if it does not. */
export function reportGoodOnly(measured: MeasuredGoodOnly): Report {
  const { label, truth, good, familiarity, made, thresholds, gate, active, facts, ms } = measured;
  const isGood = truth.map((one) => good.includes(one));
  const passes = familiarity.map((value) => value >= familiarityThreshold);
  const right = isGood.map((is, i) => is === passes[i]);
  const said = truth.map(() => ({ [label]: 1 }));
  const rules = { thresholds, good, familiar: familiarityThreshold };
  const goodParts = isGood.filter(Boolean).length;
  const heldBack = isGood.filter((is, i) => is && !passes[i]).length;
  const defects = [...new Set(truth.filter((_, i) => !isGood[i]))].sort().map((defect) => {
    const own = passes.filter((_, i) => truth[i] === defect);
    return { label: defect, count: own.length, heldBack: own.filter((passed) => !passed).length };
  });
  const known = active?.passes.flatMap((passed, i) => (passed === undefined ? [] : [passed === isGood[i]]));
  return {
    ...evaluate(said, truth, rules, familiarity),
    accuracy: shareOf(right),
    revision: facts.revision,
    frames: truth.length,
    counts: countLabels(truth),
    folds: goodParts,
    seed: facts.seed,
    views: 'none',
    augment: [],
    goodOnly: {
      parts: goodParts,
      limit: made.memory.limit,
      heldBack: interval95(heldBack, goodParts),
      defects,
    },
    hidden: 0,
    penalty: 0,
    temperature: 1,
    backend: 'none',
    thresholds,
    promised: made.promised,
    promise: [{ kept: made.promised, text: made.text }],
    checks: [],
    active:
      active && known && known.length > 0 ? { version: active.version, accuracy: shareOf(known) } : null,
    errorReduction: { active: null, commonest: null },
    gate,
    worst: [],
    latencyMs: facts.latencyMs,
    seconds: { features: seconds(ms.features), training: seconds(ms.training) },
  };
}

const seconds = (ms: number) => Number((ms / 1000).toFixed(2));
