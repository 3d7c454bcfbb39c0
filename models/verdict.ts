/** Probabilities and thresholds in, verdict and reasons out; pure, so that every rule can be read and tested here. */
import { scoreOfFamiliarity } from './good-memory.ts';

export interface Thresholds {
  /** A part passes if the probability of good (all good labels together) reaches this, 0.5 to 1. */
  readonly pass: number;
  /** A part fails if the probability of one defect reaches this; a label may have its own threshold. */
  readonly fail: number;
  readonly failByLabel?: Readonly<Record<string, number>> | undefined;
}

export interface Decision {
  readonly verdict: 'pass' | 'fail' | 'uncertain';
  /** Most probable label; for a fail the most probable defect above its threshold; null if nothing was judged. */
  readonly label: string | null;
  readonly probability: number | null;
  /** Mean over the frames. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** Shown to the operator. */
  readonly reasons: readonly string[];
  /** How many frames lead to the same verdict on their own. */
  readonly votes: { readonly frames: number; readonly agree: number };
}

/** Label to probability of one frame. */
export type Probabilities = Readonly<Record<string, number>>;

export interface Rules {
  readonly thresholds: Thresholds;
  /** A frame with a lower familiarity is unlike everything that was labelled; undefined: every frame counts as familiar. */
  readonly familiar?: number | undefined;
  /** Of a head that knows good parts only: its score at familiarity 0.5, for the reasons. */
  readonly scoreLimit?: number | undefined;
  /** Minimum peak from which a location is reported, in standard deviations of ordinary cells (where.ts); undefined: none is. */
  readonly where?: number | undefined;
  /** Labels that mean a good part; every other label is a defect. */
  readonly good: readonly string[];
}

/**
 * Decides on one part from its frames. The part passes only if the mean probability of good reaches the threshold and more than
 * half of the frames pass on their own. It fails if the mean probability of a defect reaches its threshold and more than half of
 * the frames show a defect. In all other cases, and if a value is not a probability, it is uncertain: nothing passes by default.
 * If half of the frames or more are unfamiliar, the part is uncertain whatever its probabilities. A head that knows good parts
 * only never fails a part.
 * @param familiarity of each frame; if the rules need it, a frame without one is unfamiliar
 */
export function decide(
  frames: readonly Probabilities[],
  rules: Rules,
  familiarity: readonly (number | undefined)[] = [],
): Decision {
  const fault = whyUnusable(frames, rules);
  if (fault !== undefined) return failed(fault, frames.length);
  const probabilities = meanOf(frames);
  const decided = judge(frames, probabilities, rules);
  const similarity = frames.map((_, i) => familiarity[i]);
  const isUnlike = isUnfamiliar(similarity, rules);
  const { label } = decided;
  const verdict = isUnlike ? 'uncertain' : decided.verdict;
  const reasons = isUnlike
    ? [unfamiliar(familiarity, rules)]
    : verdict === 'pass' && rules.scoreLimit !== undefined
      ? [`like the good parts (${scoreOf(familiarity, rules.scoreLimit)})`]
      : decided.reasons;
  const agree = frames.filter(
    (frame, i) =>
      (isUnfamiliar([similarity[i]], rules) ? 'uncertain' : judge([frame], frame, rules).verdict) === verdict,
  ).length;
  const probability = probabilities[label]!;
  return { verdict, label, probability, probabilities, reasons, votes: { frames: frames.length, agree } };
}

/** The decision for a part that could not be judged: uncertain, with the given reason. */
export function failed(reason: string, frames = 0): Decision {
  const votes = { frames, agree: 0 };
  return {
    verdict: 'uncertain',
    label: null,
    probability: null,
    probabilities: {},
    reasons: [reason],
    votes,
  };
}

/** Changes a pass to `uncertain` if the images may not show this part. A fail stays a fail. */
export function withhold(decision: Decision, doubts: readonly string[]): Decision {
  if (doubts.length === 0 || decision.verdict !== 'pass') return decision;
  return { ...decision, verdict: 'uncertain', reasons: doubts, votes: { ...decision.votes, agree: 0 } };
}

/** Whether half of the frames or more are unlike everything that was labelled. */
export function isUnfamiliar(familiarity: readonly (number | undefined)[], { familiar }: Rules): boolean {
  if (familiar === undefined) return false;
  const known = familiarity.filter((value) => value !== undefined && value >= familiar);
  return known.length * 2 <= familiarity.length;
}

function unfamiliar(familiarity: readonly (number | undefined)[], { familiar, scoreLimit }: Rules): string {
  const known = familiarity.filter((value) => value !== undefined);
  if (scoreLimit !== undefined) return `unlike the good parts (${scoreOf(familiarity, scoreLimit)})`;
  const mean =
    known.length > 0 ? (known.reduce((sum, value) => sum + value, 0) / known.length).toFixed(3) : 'unknown';
  return `unfamiliar: unlike every labelled part (similarity ${mean}, at least ${familiar?.toFixed(3)} is needed)`;
}

/** Largest score above the limit that single precision can distinguish. */
const maxOverLimit = 87;

/** Of a head that knows good parts only: mean over the frames. */
function scoreOf(familiarity: readonly (number | undefined)[], limit: number): string {
  const scores = familiarity
    .filter((value) => value !== undefined)
    .map((value) => Math.min(limit + maxOverLimit, scoreOfFamiliarity(value, limit)));
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  return `score ${scores.length > 0 ? mean.toFixed(2) : 'unknown'}, limit ${limit.toFixed(2)}`;
}

/** Applies the rules to frames that passed `whyUnusable`. */
function judge(
  frames: readonly Probabilities[],
  mean: Probabilities,
  { thresholds, good }: Rules,
): Pick<Decision, 'verdict' | 'reasons'> & { label: string } {
  const ranked = Object.keys(mean).sort((a, b) => mean[b]! - mean[a]!);
  const defects = ranked.filter((label) => !good.includes(label));
  const top = ranked[0]!;
  const { fail, failByLabel = {} } = thresholds;
  // A label may have the name of an inherited property, such as `constructor`.
  const failAt = (label: string) => (Object.hasOwn(failByLabel, label) ? failByLabel[label]! : fail);
  const pGood = goodness(mean, good);
  const goodName = good.length === 1 ? good[0]! : 'good';

  const showsDefect = (frame: Probabilities) =>
    goodness(frame, good) < 0.5 || defects.some((label) => frame[label]! >= failAt(label));
  const bad = frames.filter(showsDefect).length;
  const found = defects.filter((label) => mean[label]! >= failAt(label));
  if (found.length > 0 && bad * 2 > frames.length) {
    const reasons = found.map((label) => `${label} above ${failAt(label).toFixed(2)}`);
    return { verdict: 'fail', label: found[0]!, reasons };
  }

  const passing = frames.filter(
    (frame) => goodness(frame, good) >= thresholds.pass && !showsDefect(frame),
  ).length;
  const reachesPass = pGood >= thresholds.pass;
  // A defect with a low threshold may be found although good is probable: that is never a pass.
  if (reachesPass && found.length === 0 && passing * 2 > frames.length) {
    return { verdict: 'pass', label: top, reasons: [`${goodName} above ${thresholds.pass.toFixed(2)}`] };
  }

  const reasons: string[] = [];
  if (reachesPass && found.length === 0)
    reasons.push(`only ${passing} of ${frames.length} frames would pass`);
  if (!reachesPass) reasons.push(`${goodName} below ${thresholds.pass.toFixed(2)}`);
  const [worst] = defects;
  if (found.length > 0) {
    reasons.push(
      `${found[0]} above ${failAt(found[0]!).toFixed(2)}, but only ${bad} of ${frames.length} frames show a defect`,
    );
  } else if (worst !== undefined && !reachesPass) reasons.push(`${worst} below ${failAt(worst).toFixed(2)}`);
  return { verdict: 'uncertain', label: top, reasons };
}

/** Probability of all good labels together. */
function goodness(probabilities: Probabilities, good: readonly string[]): number {
  let sum = 0;
  for (const label of new Set(good)) {
    if (Object.hasOwn(probabilities, label)) sum += probabilities[label]!;
  }
  return sum;
}

function meanOf(frames: readonly Probabilities[]): Record<string, number> {
  const labels = Object.keys(frames[0]!);
  const mean = (label: string) =>
    Math.min(1, frames.reduce((sum, frame) => sum + frame[label]!, 0) / frames.length);
  return Object.fromEntries(labels.map((label) => [label, mean(label)]));
}

/** Why these numbers cannot be used for a decision; undefined if they can. */
function whyUnusable(
  frames: readonly Probabilities[],
  { thresholds: { pass, fail, failByLabel }, familiar, good }: Rules,
): string | undefined {
  const [first] = frames;
  if (!first) return 'no frame was judged';
  const isThreshold = (value: number, min: number) => value >= min && value <= 1;
  const own = Object.values(failByLabel ?? {});
  if (!isThreshold(pass, 0.5) || ![fail, ...own].every((value) => isThreshold(value, 0))) {
    return 'the thresholds are not between 0 and 1';
  }
  const labels = Object.keys(first);
  if (labels.length === 0) return 'no model has been trained yet';
  if (labels.length === 1 && !good.includes(labels[0]!)) {
    return `the model knows ${labels[0]} only, which is not a good label (labels.good: ${good.join(', ')})`;
  }
  if (labels.length === 1 && familiar === undefined)
    return 'the model has only one label, and no limit above which a part is unlike the good parts';
  for (const frame of frames) {
    if (Object.keys(frame).length !== labels.length)
      return 'the frames were judged by different model versions';
    let sum = 0;
    for (const label of labels) {
      if (!Object.hasOwn(frame, label)) return `a frame has no probability for ${label}`;
      const value = frame[label]!;
      if (!(value >= 0 && value <= 1 + 1e-6)) return `the model gave no probability for ${label}`;
      sum += value;
    }
    if (Math.abs(sum - 1) > 0.01) return 'the probabilities do not add up to 1';
  }
  return undefined;
}
