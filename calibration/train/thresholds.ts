/** Thresholds that keep a promise: chosen on parts that the head had not seen, with a finite-sample guarantee. */
import { decide, type Probabilities, type Thresholds } from '../../models/verdict.ts';
import { atMost, upperBound } from './interval.ts';

export interface Targets {
  /** Bad parts that may pass, as a share of the bad ones. */
  readonly escapeRate: number;
  /** Good parts that may fail for one defect, as a share of the good ones. */
  readonly falseRejectRate: number;
  /** How often the promise may be broken by bad luck in the labelled parts. */
  readonly risk: number;
}

/** How often the promise may be broken by bad luck. */
export const promiseRisk = 0.1;

/** What mistakes and checks cost, in any one unit. */
export interface Costs {
  readonly escape: number;
  readonly falseReject: number;
  /** Looking at an uncertain part by hand. */
  readonly check: number;
}

export interface Chosen {
  readonly thresholds: Thresholds;
  /** Whether the targets are promised. */
  readonly promised: boolean;
  /** What is promised, or what is missing for a promise, in an operator's words. */
  readonly sentences: readonly { readonly kept: boolean; readonly text: string }[];
}

/** From the strictest down, the order in which they are tested. */
const grid = Array.from({ length: 500 }, (_, i) => Number((0.999 - i / 1000).toFixed(3)));

/**
 * Learn then Test with fixed-sequence testing (Angelopoulos, Bates, Candès, Jordan, Lei 2021, arXiv:2110.01052, §3.2):
 * from the strictest threshold down, each is kept while the exact binomial test shows at risk δ that its rate of mistakes
 * is below the target; the last one kept holds with probability 1 - δ. The guarantee is for single frames of parts like
 * the labelled ones, judged by heads of a cross-validation; several frames that vote are safer, not worse.
 * @param heldOut probabilities from heads that had not seen the part
 * @param fallback where nothing can be promised; never looser than what let no held-out bad part pass
 */
export function chooseThresholds(
  heldOut: readonly Probabilities[],
  truth: readonly string[],
  good: readonly string[],
  targets: Targets,
  fallback: Thresholds,
): Chosen {
  const sentences: { kept: boolean; text: string }[] = [];
  const say = (kept: boolean, text: string) => sentences.push({ kept, text });
  const goodness = heldOut.map((one) => good.reduce((sum, label) => sum + (one[label] ?? 0), 0));
  const isGood = truth.map((label) => good.includes(label));
  const bad = goodness.filter((_, i) => !isGood[i]);
  const goods = heldOut.filter((_, i) => isGood[i]);
  const percent = percentOf;

  const pass = strictestKept(bad, targets.escapeRate, targets.risk);
  const missing = needed(targets.escapeRate, targets.risk) - bad.length;
  if (pass !== undefined) {
    say(
      true,
      `at most ${percent(targets.escapeRate)} of bad parts pass, with ${percent(1 - targets.risk)} confidence from ${bad.length} labelled bad parts`,
    );
  } else if (missing > 0) {
    say(
      false,
      `${bad.length} labelled bad parts cannot prove that at most ${percent(targets.escapeRate)} pass: at least ${missing} more are needed`,
    );
  } else {
    say(
      false,
      `no threshold keeps the escapes below ${percent(targets.escapeRate)}: some bad parts look surely good; look at the worst mistakes`,
    );
  }
  const strict = grid.findLast((threshold) => bad.every((value) => value < threshold)) ?? grid[0]!;

  const failByLabel: Record<string, number> = {};
  const unproven: string[] = [];
  for (const label of [...new Set(truth)].filter((one) => !good.includes(one)).sort()) {
    const fail = strictestKept(
      goods.map((one) => one[label] ?? 0),
      targets.falseRejectRate,
      targets.risk,
    );
    if (fail === undefined) unproven.push(label);
    else failByLabel[label] = fail;
  }
  const missingGood = needed(targets.falseRejectRate, targets.risk) - goods.length;
  if (Object.keys(failByLabel).length > 0 && unproven.length === 0) {
    say(
      true,
      `at most ${percent(targets.falseRejectRate)} of good parts fail for any one defect, with ${percent(1 - targets.risk)} confidence from ${goods.length} labelled good parts`,
    );
  } else if (missingGood > 0) {
    say(
      false,
      `${goods.length} labelled good parts cannot prove that at most ${percent(targets.falseRejectRate)} fail: at least ${missingGood} more are needed`,
    );
  } else if (unproven.length > 0) {
    say(false, `good parts look too much like ${unproven.join(', ')} for a promise on false rejects`);
  }
  return {
    thresholds: {
      pass: pass ?? Math.max(fallback.pass, strict),
      fail: fallback.fail,
      ...(Object.keys(failByLabel).length > 0 && { failByLabel }),
    },
    promised: pass !== undefined && unproven.length === 0 && goods.length > 0,
    sentences,
  };
}

/**
 * Limits from costs (Chow, "On optimum recognition error and reject tradeoff", IEEE Trans. Inf. Theory 16, 1970): a part passes,
 * or fails, only where the expected cost of being wrong is at most that of looking at it by hand. They are as good as the
 * probabilities; what they let through on held-out parts is said beside them.
 */
export function thresholdsFromCosts(
  heldOut: readonly Probabilities[],
  truth: readonly string[],
  good: readonly string[],
  costs: Costs,
): Chosen {
  const pass = Math.min(0.999, Math.max(0.5, 1 - costs.check / costs.escape));
  const fail = Math.min(0.999, Math.max(0.001, 1 - costs.check / costs.falseReject));
  const thresholds = { pass: rounded(pass), fail: rounded(fail) };
  const isGood = truth.map((label) => good.includes(label));
  const verdicts = heldOut.map((one) => decide([one], { thresholds, good }).verdict);
  const count = (of: boolean, verdict: string) =>
    verdicts.filter((one, i) => isGood[i] === of && one === verdict).length;
  const goods = isGood.filter(Boolean).length;
  const rate = (wrong: number, of: number) =>
    `${wrong} of ${of}, surely fewer than ${percentOf(upperBound(wrong, of, promiseRisk))}`;
  return {
    thresholds,
    promised: false,
    sentences: [
      {
        kept: true,
        text: `a part passes from ${thresholds.pass} and fails from ${thresholds.fail}: beyond these a mistake is expected to cost less than a check (${costs.check})`,
      },
      {
        kept: true,
        text: `with them ${rate(count(false, 'pass'), truth.length - goods)} of the labelled bad parts pass`,
      },
      { kept: true, text: `and ${rate(count(true, 'fail'), goods)} of the good parts fail` },
    ],
  };
}

const rounded = (value: number) => Number(value.toFixed(3));
const percentOf = (share: number) => `${Number((share * 100).toFixed(2))} %`;

/** The last threshold that is proved, or undefined where not even the strictest is. */
function strictestKept(scores: readonly number[], target: number, risk: number): number | undefined {
  const ranked = scores.toSorted((a, b) => b - a);
  let kept: number | undefined;
  let wrong = 0;
  for (const threshold of grid) {
    while (wrong < ranked.length && ranked[wrong]! >= threshold) wrong++;
    if (atMost(wrong, scores.length, target) > risk) break;
    kept = threshold;
  }
  return kept;
}

/** How many parts without a mistake prove the target: (1 - target)ⁿ ≤ risk. */
function needed(target: number, risk: number): number {
  return Math.ceil(Math.log(risk) / Math.log1p(-target));
}
