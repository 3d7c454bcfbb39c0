import type { Frame } from '../../models/image.ts';

/** A part as a trigger found it, before it gets its names. */
export interface FoundPart {
  /** The frames that vote, in order of capture. */
  readonly frames: readonly Frame[];
  /** When the part came, or was asked for, by `monotonicMs`: an image from before does not show it. */
  readonly since?: number | undefined;
  /** Why it cannot be judged. */
  readonly failure?: string;
  /** Why it must not pass, whatever its frames show. */
  readonly doubt?: string;
  readonly jobId?: string;
  readonly partId?: string;
  readonly recipe?: string;
  readonly until?: AbortSignal | undefined;
}

/** One way to find parts in a camera's events: it is told of each, in order, and gives every part once. */
export interface Finder {
  frame(frame: Frame): void;
  /** The camera was lost: a part in the making is given now, as failed. */
  lost(reason: string): void;
  /** Another recipe is in force; `recut`: frames show another region from now on. */
  recipeChanged?(recut: boolean): void;
  /** The agent stops: what was promised to someone is given now, as failed; no timer is left. */
  stop(): void;
}

export type Give = (part: FoundPart) => void;
