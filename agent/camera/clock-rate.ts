import type { Line } from './last-good.ts';
import { lineThrough, type Point } from './trend.ts';

/** The least offset within this time counts as free of network jitter, ms. */
export const WINDOW_MS = 250;
/** Maximum number of windows; beyond it, pairs of neighbours are merged, up to this length, ms. */
const MAX_WINDOWS = 64;
const MAX_WINDOW_MS = 4_000;
/** The rate of the timestamps is learned for this long after the stream was opened, ms. */
const LEARN_MS = 3_000;
/** A stream that arrives faster than its timestamps for this long does not only deliver a backlog, ms. */
const BACKLOG_MS = 15_000;
/** Maximum rate error of a quartz clock, ms per ms; larger ones are reported, and a known rate changes by no more. */
const QUARTZ = 0.0003;
/** Error of the rate after a time `T`, in addition to the measured jitter: this / T, ms. */
const MIN_ERROR_MS = 40;
/** A rate below the certain range is accepted after this time, ms. */
const RELEARN_MS = 10_000;
/** While the stream seems late, windows of this total length can show that the rate was learned wrongly, ms. */
const REVIEW_MS = 20_000;

/** The reference offset at a time, ms. */
export function offsetOn({ at, level, slope }: Line, time: number): number {
  return level + slope * (time - at);
}

/**
 * Learns the rate error of a stream's timestamps from windows of offsets (arrival − timestamp): the slope of the reference
 * line. The slope is learned when the stream opens. Afterwards its certain range only gets narrower, except that a rate
 * below it is accepted if it lasts: frames cannot arrive before their capture.
 */
export class ClockRate {
  #windows: Point[] = [];
  #windowMs = WINDOW_MS;
  #openedAt = 0;
  #learnedSlope: number | undefined;
  /** The range in which the slope certainly is. */
  #slopes = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };

  /** Length of a window, ms; it grows with the time that the windows cover. */
  get windowMs(): number {
    return this.#windowMs;
  }

  /** Whether the timestamps certainly run slower or faster than a quartz clock. */
  get isOff(): boolean {
    return this.#slopes.least > QUARTZ || this.#slopes.most < -QUARTZ;
  }

  /** The first frame has arrived. */
  open(at: number): void {
    this.#openedAt = at;
  }

  /** Discards the windows, because later ones cannot be joined to them; the rate is still known. */
  restart(): void {
    this.#windows = [];
  }

  /** Error of the slope that cannot be excluded, ms per ms. */
  doubtOf(slope: number): number {
    return Math.min(0.25, Math.max(Math.abs(slope - (this.#learnedSlope ?? 0)), slope - this.#slopes.least));
  }

  /**
   * Adds a window while the rate is unknown.
   * @returns whether the rate is known now; call `fit` then
   */
  learn(window: Point, at: number): boolean {
    const windows = this.#windows;
    windows.push(window);
    while (windows.length > 4 && window.at - windows[1]!.at >= LEARN_MS) windows.shift();
    if (window.at - windows[0]!.at < LEARN_MS || windows.length < 4) return false;
    const { slope } = lineThrough(windows);
    // Falling offsets are either a backlog or timestamps that run fast: only time can tell.
    return slope >= -0.02 || at - this.#openedAt >= BACKLOG_MS;
  }

  /** Adds a window while the rate is known. @param line the current reference */
  add(window: Point, line: Line): void {
    this.#windows.push(window);
    if (this.#windows.length > MAX_WINDOWS) this.#merge(line);
  }

  /** The reference line through the windows; undefined while there are too few. */
  fit(at: number): Line | undefined {
    if (this.#windows.length < 4) return undefined;
    const spanMs = this.#windows.at(-1)!.at - this.#windows[0]!.at;
    if (spanMs < LEARN_MS) return undefined;
    const found = lineThrough(this.#windows);
    const error = QUARTZ + (MIN_ERROR_MS + 4 * found.spreadMs) / spanMs;
    const { least, most } = this.#slopes;
    if (spanMs >= RELEARN_MS && found.slope + error < least && found.slope > -QUARTZ - error) {
      // Frames that were late when the stream opened contain no information about its rate.
      this.#windows = this.#windows.slice(this.#windows.length >> 1);
      this.#slopes = { least: Number.NEGATIVE_INFINITY, most: least };
      return this.fit(at);
    }
    const slope = Math.min(most, Math.max(least, found.slope));
    this.#slopes = {
      least: Math.max(least, Math.min(slope, found.slope - error)),
      most: Math.min(most, Math.max(slope, found.slope + error)),
    };
    this.#learnedSlope ??= slope;
    return { at, level: Math.min(...this.#windows.map((one) => one.offset - slope * (one.at - at))), slope };
  }

  /**
   * Whether the rate was learned wrongly: the timestamps do not run fast, and the lag is only the error of that rate. The
   * slope is then 0.
   * @param lateWindows windows since the stream seems late; undefined is returned while they are too short to tell
   */
  isWrong(slope: number, lateWindows: readonly Point[], at: number): boolean | undefined {
    const spanMs = at - lateWindows[0]!.at;
    if (spanMs < REVIEW_MS) return undefined;
    const found = lineThrough(lateWindows);
    const error = QUARTZ + (MIN_ERROR_MS + found.spreadMs) / spanMs;
    if (Math.abs(found.slope) > error || slope > -2 * error) return false;
    this.#slopes = { least: -error, most: error };
    this.#learnedSlope = 0;
    this.#windows = [];
    return true;
  }

  /** Merges pairs of windows, so that their number stays bounded. */
  #merge(line: Line): void {
    if (this.#windowMs >= MAX_WINDOW_MS) {
      this.#windows.shift();
      return;
    }
    this.#windowMs *= 2;
    const height = ({ at, offset }: Point) => offset - offsetOn(line, at);
    const merged: Point[] = [];
    for (let n = 0; n < this.#windows.length; n += 2) {
      const [one, other] = [this.#windows[n]!, this.#windows[n + 1]];
      merged.push(other && height(other) < height(one) ? other : one);
    }
    this.#windows = merged;
  }
}
