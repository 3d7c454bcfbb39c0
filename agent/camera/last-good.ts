import type { Point } from './trend.ts';

/** A reference line of `StreamClock`: the offset is `level` at `at`, and grows by `slope`. */
export interface Line {
  readonly at: number;
  readonly level: number;
  readonly slope: number;
}

/** Frames must lie on the line again for this long, ms. */
const CONFIRM_MS = 1_000;
/** The least offset within this time is free of jitter, ms. */
const WINDOW_MS = 250;
/** How far the least offset may lie below and above the line, ms: less than what counts as a lag. */
const BELOW_MS = 30;
const ABOVE_MS = 100;

/**
 * Keeps the reference of a stream from before it became late. A sender that discards a backlog makes the timestamps step
 * ahead, which looks like a fault of the timestamps. If the frames then lie on the old line, the delay is gone: a timestamp
 * fault of exactly the same size as the delay is very unlikely.
 */
export class LastGood {
  #line: Line | undefined;
  #since: number | undefined;
  #window = { at: 0, minMs: Number.POSITIVE_INFINITY };

  /** To be called while the stream is not late. */
  keep(line: Line): void {
    this.#line = { ...line };
    this.#since = undefined;
    this.#window.minMs = Number.POSITIVE_INFINITY;
  }

  /**
   * To be called with each frame while the stream is late.
   * @returns the old line, once the frames have been on it for a second
   */
  confirmedBy({ at, offset }: Point): Line | undefined {
    const line = this.#line;
    if (!line) return undefined;
    const aboveMs = offset - line.level - line.slope * (at - line.at);
    if (aboveMs < -BELOW_MS) {
      this.#since = undefined;
      return undefined;
    }
    if (at - this.#window.at < WINDOW_MS) {
      this.#window.minMs = Math.min(this.#window.minMs, aboveMs);
      return undefined;
    }
    const isOnLine = this.#window.minMs <= ABOVE_MS;
    const since = this.#window.at;
    this.#window = { at, minMs: aboveMs };
    if (!isOnLine) this.#since = undefined;
    else this.#since ??= since;
    return this.#since !== undefined && at - this.#since >= CONFIRM_MS ? line : undefined;
  }
}
