/** Probabilities and thresholds in, verdict and reasons out; pure, so that every rule can be read and tested here. */

export interface Thresholds {
  /** Probability of good (all good labels together) from which a part passes, 0.5 to 1. */
  readonly pass: number;
  /** Probability of one defect from which a part fails; a label may have its own. */
  readonly fail: number;
  readonly failByLabel?: Readonly<Record<string, number>>;
}

export interface Decision {
  readonly verdict: 'pass' | 'fail' | 'uncertain';
  /** Most probable label, null where nothing was judged. */
  readonly label: string | null;
  readonly probability: number | null;
  /** Mean over the frames. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** In the words an operator reads. */
  readonly reasons: readonly string[];
  readonly votes: { readonly frames: number; readonly agree: number };
}
