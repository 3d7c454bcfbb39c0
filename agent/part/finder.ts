import type { TriggerConfig } from '../../config/schema.ts';
import type { Frame } from '../../models/image.ts';

/** A part as found by a trigger, before it gets its ids. */
export interface FoundPart {
  /** The frames that vote, in order of capture. */
  readonly frames: readonly Frame[];
  /** When the part arrived or was triggered, by `monotonicMs`: earlier images do not show it. */
  readonly since?: number | undefined;
  /** Why it cannot be judged. */
  readonly failure?: string;
  /** Why it must not pass regardless of its frames. */
  readonly doubt?: string;
  readonly jobId?: string;
  readonly partId?: string;
  readonly recipe?: string;
  readonly until?: AbortSignal | undefined;
}

/** A way to find parts in a camera's events: it receives the events in order and delivers every part once. */
export interface Finder {
  frame(frame: Frame): void;
  /** The camera was lost: an incomplete part is delivered now, as failed. */
  lost(reason: string): void;
  /** The active recipe has changed; `recut`: frames show another region from now on. */
  recipeChanged?(recut: boolean): void;
  /** Uses other settings from the next frame on; false if it cannot: then nothing has changed. */
  adjust?(trigger: TriggerConfig): boolean;
  /** The agent stops: accepted jobs are delivered now, as failed; no timer remains. */
  stop(): void;
}

export type Give = (part: FoundPart) => void;
