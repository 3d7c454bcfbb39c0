/**
 * The inspection, top to bottom: a frame becomes a part, a part becomes a verdict,
 * a verdict is published and counted. Details are one import away.
 */
import type { Frame, Image } from '../models/image.ts';
import type { Result } from './publish/messages.ts';

/** Something to be judged exactly once. */
export interface Part {
  readonly partId: string;
  readonly jobId: string;
  readonly recipe: string;
  /** The frames that vote, in order of capture; empty only where the part failed. */
  readonly frames: readonly Frame[];
  /** Why the part cannot be judged (the camera died while it was in view): the result is `failed`. */
  readonly failure?: string;
}

/** When there is a part: continuous, presence or command. */
export interface Parts {
  /** The next part; rejects only when the signal aborts. */
  next(signal: AbortSignal): Promise<Part>;
}

/** What the model says of one image. */
export interface Judgement {
  /** Label to probability, summing to 1; empty while no head has been trained. */
  readonly probabilities: Readonly<Record<string, number>>;
  readonly inferenceMs: number;
  /** Waiting for the model to be free, ms. */
  readonly queueMs: number;
}

export interface Judge {
  judge(image: Image): Promise<Judgement>;
}

export type { Frame, Result };
