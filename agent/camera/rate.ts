import type { CameraConfig } from '../../config/schema.ts';

/** Frames a second that the decoder hands over: what the trigger needs, unless `maxFps` says it. */
export function wantedFps(config: Pick<CameraConfig, 'maxFps' | 'trigger' | 'vote'>): number {
  if (config.maxFps !== undefined) return config.maxFps;
  if (config.trigger.kind !== 'continuous') return 15;
  return Math.min(30, Math.ceil((1000 / config.trigger.everyMs) * config.vote.frames));
}

/**
 * Thins a stream out by time. Frames are taken on a grid of the wanted rate with a quarter of a period of
 * tolerance, so that a 25 fps stream thinned to 25 loses nothing to jitter, and 25 thinned to 15 gives 15.
 */
export class Thinner {
  readonly #periodMs: number;
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(fps: number) {
    this.#periodMs = 1000 / fps;
  }

  /** Whether to take the frame of this stream time, ms. */
  take(atMs: number): boolean {
    const slack = this.#periodMs / 4;
    // A stream time that jumped back starts a new grid.
    if (atMs < this.#dueMs - slack && atMs > this.#dueMs - 2 * this.#periodMs - slack) return false;
    const onGrid = Math.abs(atMs - this.#dueMs) <= this.#periodMs;
    this.#dueMs = (onGrid ? this.#dueMs : atMs) + this.#periodMs;
    return true;
  }
}
