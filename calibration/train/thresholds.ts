/** Chooses thresholds on held-out parts with a finite-sample guarantee of the error rates. */
import { decide, type Probabilities, type Thresholds } from '../../models/verdict.ts';
import { worstOfParts } from './evaluate.ts';
import { atMost, upperBound } from './interval.ts';

export interface Targets {
  /** Maximum share of bad parts that pass. */
  readonly escapeRate: number;
  /** Maximum share of good parts that fail for one defect. */
  readonly falseRejectRate: number;
  /** Probability that the guarantee does not hold because of the random choice of labelled parts. */
  readonly risk: number;
}

/** Probability that the guarantee does not hold. */
export const promiseRisk = 0.1;

/** Costs of mistakes and checks, in any common unit. */
export interface Costs {
  readonly escape: number;
  readonly falseReject: number;
  /** Checking an uncertain part by hand. */
  readonly check: number;
}

export interface Chosen {
  readonly thresholds: Thresholds;
  /** Whether the targets are guaranteed. */
  readonly promised: boolean;
  /** What is guaranteed, or what is missing for a guarantee, for the operator. */
  readonly sentences: readonly { readonly kept: boolean; readonly text: string }[];
}

/** Candidates in the order in which they are tested, strictest first. */
const grid = Array.from({ length: 500 }, (_, i) => Number((0.999 - i / 1000).toFixed(3)));

/**
 * Learn then Test with fixed-sequence testing (Angelopoulos, Bates, Candès, Jordan, Lei 2021, arXiv:2110.01052, §3.2):
 * thresholds are tested from the strictest down, and each is accepted while the exact binomial test shows at risk δ that its error
 * rate is below the target; the last accepted one is valid with probability 1 - δ. The guarantee applies to single frames of
 * in-distribution parts, judged by the heads of the cross-validation; voting over several frames makes it safer. Several frames of
 * one part count as one part, with the worst of its frames.
 * @param heldOut cross-validated probabilities of each frame
 * @param part of each frame; default: each frame is a part
 * @param fallback used without a guarantee, but never looser than the threshold at which no held-out bad part passes
 */
export function chooseThresholds(
  heldOut: readonly Probabilities[],
  truth: readonly string[],
  good: readonly string[],
  targets: Targets,
  fallback: Thresholds,
  part: readonly number[] = [...truth.keys()],
): Chosen {
  const sentences: { kept: boolean; text: string }[] = [];
  const say = (kept: boolean, text: string) => sentences.push({ kept, text });
  const goodness = heldOut.map((one) => good.reduce((sum, label) => sum + (one[label] ?? 0), 0));
  const isGood = truth.map((label) => good.includes(label));
  const bad = worstOfParts(goodness, part, (i) => !isGood[i]);
  const goods = new Set(part.filter((_, i) => isGood[i])).size;
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
      `${bad.length} labelled bad parts are not enough to show that at most ${percent(targets.escapeRate)} pass: at least ${missing} more are needed`,
    );
  } else {
    say(
      false,
      `no threshold keeps the escapes below ${percent(targets.escapeRate)}: some bad parts are classified as good with high confidence; check the worst mistakes`,
    );
  }
  const strict = grid.findLast((threshold) => bad.every((value) => value < threshold)) ?? grid[0]!;

  const failByLabel: Record<string, number> = {};
  const unproven: string[] = [];
  for (const label of [...new Set(truth)].filter((one) => !good.includes(one)).sort()) {
    const fail = strictestKept(
      worstOfParts(
        heldOut.map((one) => one[label] ?? 0),
        part,
        (i) => isGood[i]!,
      ),
      targets.falseRejectRate,
      targets.risk,
    );
    if (fail === undefined) unproven.push(label);
    else failByLabel[label] = fail;
  }
  const missingGood = needed(targets.falseRejectRate, targets.risk) - goods;
  if (Object.keys(failByLabel).length > 0 && unproven.length === 0) {
    say(
      true,
      `at most ${percent(targets.falseRejectRate)} of good parts fail for any one defect, with ${percent(1 - targets.risk)} confidence from ${goods} labelled good parts`,
    );
  } else if (missingGood > 0) {
    say(
      false,
      `${goods} labelled good parts are not enough to show that at most ${percent(targets.falseRejectRate)} fail: at least ${missingGood} more are needed`,
    );
  } else if (unproven.length > 0) {
    say(false, `good parts are too similar to ${unproven.join(', ')} to guarantee a rate of false rejects`);
  }
  return {
    thresholds: {
      pass: pass ?? Math.max(fallback.pass, strict),
      fail: fallback.fail,
      ...(Object.keys(failByLabel).length > 0 && { failByLabel }),
    },
    promised: pass !== undefined && unproven.length === 0 && goods > 0,
    sentences,
  };
}

/**
 * Thresholds from costs (Chow, "On optimum recognition error and reject tradeoff", IEEE Trans. Inf. Theory 16, 1970): a part
 * passes or fails only if the expected cost of a mistake is at most that of a check by hand. They depend on well calibrated
 * probabilities; the sentences include the error rates on held-out parts.
 */
export function thresholdsFromCosts(
  heldOut: readonly Probabilities[],
  truth: readonly string[],
  good: readonly string[],
  costs: Costs,
  part: readonly number[] = [...truth.keys()],
): Chosen {
  const pass = Math.min(0.999, Math.max(0.5, 1 - costs.check / costs.escape));
  const fail = Math.min(0.999, Math.max(0.001, 1 - costs.check / costs.falseReject));
  const thresholds = { pass: rounded(pass), fail: rounded(fail) };
  const isGood = truth.map((label) => good.includes(label));
  const goodness = heldOut.map((one) => good.reduce((sum, label) => sum + (one[label] ?? 0), 0));
  const highest = Math.max(0, ...goodness.filter((_, i) => isGood[i]));
  const verdicts = heldOut.map((one) => decide([one], { thresholds, good }).verdict);
  const rate = (of: boolean, verdict: string) => {
    const wrong = worstOfParts(
      verdicts.map((one) => Number(one === verdict)),
      part,
      (i) => isGood[i] === of,
    );
    return rateOf(wrong.filter(Boolean).length, wrong.length);
  };
  const rateOf = (wrong: number, of: number) =>
    `${wrong} of ${of} (with ${percentOf(1 - promiseRisk)} confidence fewer than ${percentOf(upperBound(wrong, of, promiseRisk))})`;
  return {
    thresholds,
    promised: false,
    sentences: [
      {
        kept: true,
        text: `a part passes at a probability of ${thresholds.pass} or more and fails at ${thresholds.fail} or more: above these thresholds the expected cost of a mistake is less than that of a check (${costs.check})`,
      },
      {
        kept: true,
        text: `with these thresholds ${rate(false, 'pass')} of the labelled bad parts pass`,
      },
      { kept: true, text: `and ${rate(true, 'fail')} of the good parts fail` },
      ...(highest < thresholds.pass
        ? [
            {
              kept: false,
              text: `no labelled good part reaches ${thresholds.pass}, the highest has ${rounded(highest)}: so few labelled parts do not justify a higher probability; label more parts, or state a lower cost of an escape`,
            },
          ]
        : []),
    ],
  };
}

const rounded = (value: number) => Number(value.toFixed(3));
const percentOf = (share: number) => `${Number((share * 100).toFixed(2))} %`;

/** The loosest threshold that passes the test; undefined if not even the strictest does. */
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

/** How many parts without a mistake are needed to show the target: (1 - target)ⁿ ≤ risk. */
function needed(target: number, risk: number): number {
  return Math.ceil(Math.log(risk) / Math.log1p(-target));
}
