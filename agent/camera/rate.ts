import type { CameraConfig } from '../../config/schema.ts';

/** Frames per second that the decoder delivers: `maxFps`, or else what the trigger needs. */
export function wantedFps(config: Pick<CameraConfig, 'maxFps' | 'trigger' | 'vote'>): number {
  if (config.maxFps !== undefined) return config.maxFps;
  if (config.trigger.kind !== 'continuous') return 15;
  return Math.min(30, Math.ceil((1000 / config.trigger.everyMs) * config.vote.frames));
}

/**
 * Reduces the frame rate of a stream. Frames are taken on a time grid of the wanted rate with a tolerance of a quarter of a
 * period, so that a 25 fps stream reduced to 25 loses no frame to jitter, and 25 reduced to 15 gives 15.
 */
export class RateLimiter {
  readonly #periodMs: number;
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(fps: number) {
    this.#periodMs = 1000 / fps;
  }

  /** Whether to take the frame with this stream time, ms. */
  take(atMs: number): boolean {
    const slack = this.#periodMs / 4;
    // A stream time that jumps back starts a new grid.
    if (atMs < this.#dueMs - slack && atMs > this.#dueMs - 2 * this.#periodMs - slack) return false;
    const onGrid = Math.abs(atMs - this.#dueMs) <= this.#periodMs;
    this.#dueMs = (onGrid ? this.#dueMs : atMs) + this.#periodMs;
    return true;
  }
}
