/** Probabilities and thresholds in, verdict and reasons out; pure, so that every rule can be read and tested here. */

export interface Thresholds {
  /** Probability of good (all good labels together) from which a part passes, 0.5 to 1. */
  readonly pass: number;
  /** Probability of one defect from which a part fails; a label may have its own. */
  readonly fail: number;
  readonly failByLabel?: Readonly<Record<string, number>> | undefined;
}

export interface Decision {
  readonly verdict: 'pass' | 'fail' | 'uncertain';
  /** Most probable label; for a fail the most probable defect above its threshold; null where nothing was judged. */
  readonly label: string | null;
  readonly probability: number | null;
  /** Mean over the frames. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** In the words an operator reads. */
  readonly reasons: readonly string[];
  /** How many frames would have led to the same verdict by themselves. */
  readonly votes: { readonly frames: number; readonly agree: number };
}

/** Label to probability of one frame. */
export type Probabilities = Readonly<Record<string, number>>;

export interface Rules {
  readonly thresholds: Thresholds;
  /** Familiarity below which a frame shows nothing that was ever labelled; undefined: every frame counts as familiar. */
  readonly familiar?: number | undefined;
  /** Labels that mean a good part; every other label is a defect. */
  readonly good: readonly string[];
}

/**
 * Decides on one part from its frames. It passes only where the mean probability of good reaches the
 * threshold and more than half of the frames would pass by themselves; it fails where the mean of a defect
 * reaches its threshold and more than half of the frames see a defect. Anything else,
 * and anything that is not a probability, is uncertain: nothing is ever passed by default. Where half of the frames or more
 * are unfamiliar, no probability counts: the part is uncertain.
 * @param familiarity of each frame; a frame without one, where the rules ask for it, is unfamiliar
 */
export function decide(
  frames: readonly Probabilities[],
  rules: Rules,
  familiarity: readonly (number | undefined)[] = [],
): Decision {
  const fault = whyUnusable(frames, rules.thresholds);
  if (fault !== undefined) return failed(fault, frames.length);
  const probabilities = meanOf(frames);
  const decided = judge(frames, probabilities, rules);
  const likeness = frames.map((_, i) => familiarity[i]);
  const isStrange = isUnfamiliar(likeness, rules);
  const { label } = decided;
  const verdict = isStrange ? 'uncertain' : decided.verdict;
  const reasons = isStrange ? [unfamiliar(familiarity, rules)] : decided.reasons;
  const agree = frames.filter(
    (frame, i) =>
      (isUnfamiliar([likeness[i]], rules) ? 'uncertain' : judge([frame], frame, rules).verdict) === verdict,
  ).length;
  const probability = probabilities[label]!;
  return { verdict, label, probability, probabilities, reasons, votes: { frames: frames.length, agree } };
}

/** The decision on a part that could not be judged: uncertain, for the reason given. */
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

/** Turns a pass into `uncertain` if there is any doubt that the images show this part. A fail stays a fail. */
export function withhold(decision: Decision, doubts: readonly string[]): Decision {
  if (doubts.length === 0 || decision.verdict !== 'pass') return decision;
  return { ...decision, verdict: 'uncertain', reasons: doubts, votes: { ...decision.votes, agree: 0 } };
}

/** Whether half of the frames or more show nothing that was ever labelled. */
export function isUnfamiliar(familiarity: readonly (number | undefined)[], { familiar }: Rules): boolean {
  if (familiar === undefined) return false;
  const known = familiarity.filter((value) => value !== undefined && value >= familiar);
  return known.length * 2 <= familiarity.length;
}

function unfamiliar(familiarity: readonly (number | undefined)[], { familiar }: Rules): string {
  const known = familiarity.filter((value) => value !== undefined);
  const seen =
    known.length > 0 ? (known.reduce((sum, value) => sum + value, 0) / known.length).toFixed(3) : 'unknown';
  return `unfamiliar: unlike every labelled part (likeness ${seen}, at least ${familiar?.toFixed(3)} is needed)`;
}

/** The rules, on frames that are known to be usable. */
function judge(
  frames: readonly Probabilities[],
  mean: Probabilities,
  { thresholds, good }: Rules,
): Pick<Decision, 'verdict' | 'reasons'> & { label: string } {
  const ranked = Object.keys(mean).sort((a, b) => mean[b]! - mean[a]!);
  const defects = ranked.filter((label) => !good.includes(label));
  const top = ranked[0]!;
  const { fail, failByLabel = {} } = thresholds;
  // A label may have the name of something that every object inherits.
  const failAt = (label: string) => (Object.hasOwn(failByLabel, label) ? failByLabel[label]! : fail);
  const pGood = goodness(mean, good);
  const goodName = good.length === 1 ? good[0]! : 'good';

  const seesDefect = (frame: Probabilities) =>
    goodness(frame, good) < 0.5 || defects.some((label) => frame[label]! >= failAt(label));
  const bad = frames.filter(seesDefect).length;
  const found = defects.filter((label) => mean[label]! >= failAt(label));
  if (found.length > 0 && bad * 2 > frames.length) {
    const reasons = found.map((label) => `${label} above ${failAt(label).toFixed(2)}`);
    return { verdict: 'fail', label: found[0]!, reasons };
  }

  const passing = frames.filter(
    (frame) => goodness(frame, good) >= thresholds.pass && !seesDefect(frame),
  ).length;
  const enough = pGood >= thresholds.pass;
  // A defect with a low threshold of its own may be found beside a probable good: that is never a pass.
  if (enough && found.length === 0 && passing * 2 > frames.length) {
    return { verdict: 'pass', label: top, reasons: [`${goodName} above ${thresholds.pass.toFixed(2)}`] };
  }

  const reasons: string[] = [];
  if (enough && found.length === 0) reasons.push(`only ${passing} of ${frames.length} frames would pass`);
  if (!enough) reasons.push(`${goodName} below ${thresholds.pass.toFixed(2)}`);
  const [worst] = defects;
  if (found.length > 0) {
    reasons.push(
      `${found[0]} above ${failAt(found[0]!).toFixed(2)}, but only ${bad} of ${frames.length} frames see a defect`,
    );
  } else if (worst !== undefined && !enough) reasons.push(`${worst} below ${failAt(worst).toFixed(2)}`);
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

/** Why these numbers cannot decide anything; undefined where they can. */
function whyUnusable(
  frames: readonly Probabilities[],
  { pass, fail, failByLabel }: Thresholds,
): string | undefined {
  const [first] = frames;
  if (!first) return 'no frame was judged';
  const isThreshold = (value: number, least: number) => value >= least && value <= 1;
  const own = Object.values(failByLabel ?? {});
  if (!isThreshold(pass, 0.5) || ![fail, ...own].every((value) => isThreshold(value, 0))) {
    return 'the thresholds are not between 0 and 1';
  }
  const labels = Object.keys(first);
  if (labels.length === 0) return 'no head has been trained yet';
  for (const frame of frames) {
    if (Object.keys(frame).length !== labels.length) return 'the frames were judged by different heads';
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
