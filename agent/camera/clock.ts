import { QcError } from '../../config/errors.ts';
import { LastGood } from './last-good.ts';
import { lineThrough, type Point } from './trend.ts';

/** The least offset within this time is taken as free of the jitter of the network, ms. */
const WINDOW_MS = 250;
/** Windows that are remembered; when there are more, two neighbours become one, up to this length, ms. */
const MAX_WINDOWS = 64;
const MAX_WINDOW_MS = 4_000;
/** The rate of the timestamps is learned for this long after the stream was opened, ms. */
const LEARN_MS = 3_000;
/** A stream that arrives faster than its timestamps for so long does not only deliver a backlog, ms. */
const BACKLOG_MS = 15_000;
/** Above this, a lag is no jitter: the reference stays as it is until the lag is gone, ms. */
const LOCK_MS = 150;
/** A timestamp that is ahead of the reference by more than this has jumped, ms. */
const JUMP_MS = 200;
/** A jump is reported for this long, ms. */
const JUMP_REPORTED_MS = 30_000;
/** This many frames in a row without a new timestamp: the stream has none. */
const UNSTAMPED_FRAMES = 5;
/** Rate error that quartz does not exceed, ms per ms; reported, and the most that a known rate may change. */
const QUARTZ = 0.0003;
/** The rate is not known better than this after a time `T`, plus the jitter that was seen: this / T, ms. */
const MIN_ERROR_MS = 40;
/** A rate below what was taken as certain is believed after this time, ms. */
const RELEARN_MS = 10_000;
/**
 * A lag that shrinks must do so faster than an error of the rate explains: by more than the first within a window, or the
 * second within `HELD_MS`, beyond what the error explains, ms.
 */
const DRAINED_AT_ONCE_MS = 100;
const DRAINED_MS = 50;
const HELD_MS = 10_000;
/** No network holds frames back for longer, ms. */
const MAX_LAG_MS = 60_000;
/** A rate that was learned wrongly shows while the stream seems to be late, in windows of so much together, ms. */
const REVIEW_MS = 20_000;
/** Windows whose jitter is looked at. */
const NOISE_WINDOWS = 16;
/** While a stream opens: falling of the reference, averaged over this time, and how much of it is a backlog, ms. */
const FALL_MS = 300;
const BACKLOG_FALL_MS = 75;

/** After timestamps stepped ahead while late, it shows within this time whether the sender discarded a backlog, ms. */
const DISCARDED_MS = 10_000;

/** Why a part must not pass on a frame that is delivered faster than its timestamps say. */
export const BACKLOG = 'the stream was just opened and delivers frames that were captured before';

export interface StreamTime {
  /** When the frame was captured, monotonic ms: never after its arrival, and never before an earlier frame. */
  readonly capturedAt: number;
  /** How much later it arrived than the fastest frames of this stream, ms. */
  readonly lagMs: number;
  /** A backlog is being delivered: the frame is older than it seems. */
  readonly isBacklog: boolean;
}

/**
 * Maps the timestamps of one stream to monotonic time. The offset (arrival − timestamp) of the frames that arrived fastest
 * is a line over time: its slope is the rate error of the timestamps, what a frame lies above it is the frame's lag.
 *
 * Invariants:
 * - Arrival bounds capture: no timestamp makes a frame younger than its arrival.
 * - The reference goes down at once (a frame that came faster proves that the others were late) and up only along its
 *   slope. The slope is learned when the stream opens and then only gets more certain or smaller, so a growing delay is
 *   not taken for a slow clock. A slope that was learned from a growing delay shows later: no frame can arrive before its
 *   capture. While the lag is above `LOCK_MS` nothing is learned: a delay is never forgotten.
 * - Timestamps that no delay can cause (back, constant, into the future) move the reference by as much as they moved, keep
 *   the lag, and are reported.
 *
 * - A lag that grows by just what the timestamps were thought to run fast, while they follow the time, is none: the rate was
 *   learned from a backlog or from jitter. Nothing else is taken back.
 *
 * A delay that is constant from the first frame on is not visible here.
 */
export class StreamClock {
  readonly #latencyMs: number;
  #lastStreamMs: number | undefined;
  #lastArrivalMs = 0;
  #usualStepMs = 0;
  #usualStampMs = 0;
  #steps = 0;
  #unstamped = 0;
  #lastCapturedAt = Number.NEGATIVE_INFINITY;
  /** The reference: the offset is `level` at `at`, and grows by `slope`. */
  #line = { at: 0, level: 0, slope: 0 };
  readonly #lastGood = new LastGood();
  #learned = false;
  #learnedSlope: number | undefined;
  #learningSince = 0;
  #windowSince = 0;
  #window: Point | undefined;
  #windowMs = WINDOW_MS;
  #windows: Point[] = [];
  /** Where the slope lies for certain. */
  #slopes = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
  #lagMs = 0;
  /** While late: the largest lag since a backlog was last delivered, and what was taken back since `at`. */
  #held = { lagMs: 0, at: 0, takenBackMs: 0 };
  /** The least offset since the timestamps jumped, and the windows while late, for the review of the rate. */
  #lowest = Number.POSITIVE_INFINITY;
  #lateWindows: Point[] = [];
  /** Lag of the window before. */
  #windowLagMs = 0;
  #fallMs = 0;
  #jump: { ms: number; at: number } | undefined;

  /** @param latencyMs known delay from shutter to arrival, subtracted */
  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  /** Lag without jitter: the least of the last quarter of a second, ms. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** How much slower (−: faster) the timestamps run than this machine's clock, ms per ms; 0 until it is known. */
  get drift(): number {
    return this.#learned ? this.#line.slope : 0;
  }

  /** The reference offset now, ms; undefined until it is known, or if timestamps had to be corrected. */
  get offsetMs(): number | undefined {
    return this.#learned && !this.#jump ? this.#expected(this.#lastArrivalMs) : undefined;
  }

  /** What is wrong with the timestamps, in words; empty if nothing is. */
  get fault(): string {
    if (this.#unstamped >= UNSTAMPED_FRAMES) {
      return 'the stream has no usable timestamps; frames are dated by their arrival';
    }
    if (
      this.#jump &&
      Math.abs(this.#jump.ms) >= 100 &&
      this.#lastArrivalMs - this.#jump.at < JUMP_REPORTED_MS
    ) {
      const seconds = (this.#jump.ms / 1000).toFixed(1);
      return `the timestamps of the stream jumped by ${seconds} s; frames are dated by their arrival`;
    }
    // A rate that is not certain yet is not reported.
    if (this.#slopes.least <= QUARTZ && this.#slopes.most >= -QUARTZ) return '';
    const percent = Math.abs(this.drift * 100).toPrecision(2);
    const how = this.drift > 0 ? 'slow' : 'fast';
    return `the timestamps of the stream run ${percent} % ${how}; frames are dated by their arrival`;
  }

  /** Why the stream must be opened again: the timestamps are further behind than any delay; undefined if they are not. */
  get failure(): QcError | undefined {
    return this.#lagMs > MAX_LAG_MS ? tooFarBehind() : undefined;
  }

  /** This stream is known to be late by so much, from what is not in its timestamps, ms. */
  assumeLag(lagMs: number): void {
    this.#line.level -= lagMs - this.#lagMs;
    this.#lowest -= lagMs - this.#lagMs;
    this.#windows = [];
    this.#window = undefined;
    this.#lagMs = lagMs;
    this.#held = { lagMs, at: this.#lastArrivalMs, takenBackMs: 0 };
    this.#learned = true;
  }

  /**
   * @param streamMs the frame's presentation time, ms; undefined if the stream has none
   * @param arrivalMs when it arrived, monotonic ms
   */
  at(streamMs: number | undefined, arrivalMs: number): StreamTime {
    const lagMs = this.#lagOf(streamMs, arrivalMs);
    this.#lastArrivalMs = arrivalMs;
    this.#lastCapturedAt = Math.max(this.#lastCapturedAt, arrivalMs - lagMs - this.#latencyMs);
    const isBacklog = !this.#learned && this.#fallMs > BACKLOG_FALL_MS;
    return { capturedAt: this.#lastCapturedAt, lagMs, isBacklog };
  }

  #lagOf(streamMs: number | undefined, arrivalMs: number): number {
    const last = this.#lastStreamMs;
    if (streamMs === undefined || streamMs === last) {
      this.#unstamped++;
      return this.#lagMs;
    }
    const wasUnstamped = this.#unstamped > 0;
    const unusable = this.#unstamped >= UNSTAMPED_FRAMES;
    this.#unstamped = 0;
    this.#lastStreamMs = streamMs;
    const offset = arrivalMs - streamMs;
    if (last === undefined) {
      this.#line = { at: arrivalMs, level: offset - this.#lagMs, slope: 0 };
      this.#lowest = this.#line.level;
      this.#learningSince = this.#windowSince = arrivalMs;
      return this.#lagMs;
    }
    if (this.#lagMs >= LOCK_MS && this.#jump && arrivalMs - this.#jump.at < DISCARDED_MS)
      this.#recover({ at: arrivalMs, offset });
    const stepMs = streamMs - last;
    const waitedMs = arrivalMs - this.#lastArrivalMs;
    const early = this.#expected(arrivalMs) - offset;
    const lagMs = this.#height({ at: arrivalMs, offset });
    if (stepMs < 0 || unusable || (stepMs - waitedMs > JUMP_MS && this.#isJump(stepMs, early, lagMs))) {
      const byMs = early + this.#lagMs * (1 - this.#line.slope);
      // While the stream opens, the end of a backlog looks the same.
      if (this.#learned || stepMs < 0) this.#jump = { ms: byMs, at: arrivalMs };
      this.#line.level -= byMs;
      // What was remembered cannot be joined to what follows; the rate is still known.
      this.#windows = [];
      this.#window = undefined;
      this.#lowest = offset - this.#lagMs;
      this.#lateWindows = [];
      return this.#lagMs;
    }
    this.#lowest = Math.min(this.#lowest, offset);
    if (!wasUnstamped && this.#isStall(stepMs, waitedMs) && !this.#learned) {
      this.#learned = true;
      this.#windows = [];
    }
    this.#fallMs = this.#fallMs * Math.exp(-waitedMs / FALL_MS) + Math.max(0, early);
    if (early > 0) this.#line.level -= early;
    this.#collect({ at: arrivalMs, offset });
    return this.#learned ? lagMs : Math.min(lagMs, 2 * this.#usualStepMs);
  }

  /** Ends a lag whose backlog the sender has discarded: frames arrive again as before it. */
  #recover(point: Point): void {
    const line = this.#lastGood.confirmedBy(point);
    if (!line) return;
    this.#line = { ...line };
    this.#lagMs = this.#windowLagMs = 0;
    this.#held = { lagMs: 0, at: point.at, takenBackMs: 0 };
    this.#jump = undefined;
    this.#windows = [];
    this.#window = undefined;
    this.#lateWindows = [];
    this.#lowest = point.offset;
  }

  /** How late a frame of this offset is, ms. */
  #height({ at, offset }: Point): number {
    return Math.max(0, offset - this.#expected(at)) / Math.max(0.05, 1 - this.#line.slope);
  }

  #expected(at: number): number {
    const { level, slope } = this.#line;
    return level + slope * (at - this.#line.at);
  }

  /**
   * Whether a timestamp that is far ahead of the one before has jumped. Otherwise a backlog is being delivered, frame by frame, or
   * was left out as a whole.
   */
  #isJump(stepMs: number, early: number, lagMs: number): boolean {
    if (early > JUMP_MS) return true;
    const wasLate = this.#lagMs >= LOCK_MS;
    return wasLate && lagMs >= LOCK_MS && stepMs > 4 * this.#usualStampMs;
  }

  /** Whether frames stopped coming for a moment while the timestamps did not: only delay does that. */
  #isStall(stepMs: number, waitedMs: number): boolean {
    const usual = this.#usualStepMs;
    const isStall = this.#steps >= 3 && waitedMs > 4 * usual && waitedMs - stepMs > LOCK_MS;
    if (!isStall) {
      this.#steps++;
      this.#usualStepMs += (waitedMs - usual) / Math.min(this.#steps, 16);
      this.#usualStampMs += (stepMs - this.#usualStampMs) / Math.min(this.#steps, 16);
    }
    return isStall;
  }

  #collect(point: Point): void {
    if (point.at - this.#windowSince >= this.#windowMs) this.#closeWindow(point.at);
    const window = this.#window;
    if (!window || point.offset - this.#expected(point.at) < window.offset - this.#expected(window.at)) {
      this.#window = { ...point };
    }
    // A lag that is gone is gone at once; one that grows is known when a window is full of it.
    this.#lagMs = Math.min(this.#lagMs, this.#height(point));
  }

  #closeWindow(at: number): void {
    const window = this.#window;
    this.#window = undefined;
    this.#windowSince = at;
    if (!window) return;
    if (!this.#learned) {
      this.#learn(window, at);
      return;
    }
    const beforeMs = this.#windowLagMs;
    this.#lagMs = this.#height(window);
    this.#lateWindows.push(window);
    if (this.#lagMs >= LOCK_MS || this.#held.lagMs >= LOCK_MS) this.#holdLag(at, beforeMs);
    this.#windowLagMs = this.#lagMs;
    if (this.#lagMs >= LOCK_MS) {
      this.#review(window, at);
      return;
    }
    this.#lateWindows = this.#lateWindows.slice(-NOISE_WINDOWS);
    this.#held = { lagMs: 0, at, takenBackMs: 0 };
    this.#windows.push(window);
    if (this.#windows.length > MAX_WINDOWS) this.#forget();
    this.#fit(at);
    this.#lastGood.keep(this.#line);
  }

  /**
   * While late, only a backlog that is visibly delivered makes the lag smaller. A rate that is known wrongly makes it
   * smaller too, but slowly: that much is taken back.
   */
  #holdLag(at: number, beforeMs: number): void {
    const held = this.#held;
    const { slope } = this.#line;
    const doubtful = Math.min(
      0.25,
      Math.max(Math.abs(slope - (this.#learnedSlope ?? 0)), slope - this.#slopes.least),
    );
    const shrunkMs = held.lagMs - this.#lagMs;
    if (beforeMs - this.#lagMs > DRAINED_AT_ONCE_MS + 2 * doubtful * this.#windowMs) {
      this.#held = { lagMs: this.#lagMs, at, takenBackMs: held.takenBackMs };
      return;
    }
    if (shrunkMs + held.takenBackMs > DRAINED_MS + 2 * doubtful * (at - held.at)) {
      this.#line.level += held.takenBackMs * (1 - slope);
      this.#lagMs = Math.max(0, this.#lagMs - held.takenBackMs);
      this.#held = { lagMs: this.#lagMs, at, takenBackMs: 0 };
      return;
    }
    // Jitter is no shrinking: what was taken back for it would add up.
    const noiseMs = this.#noise();
    const takenBackMs = Math.max(0, shrunkMs - DRAINED_MS - (noiseMs < LOCK_MS ? 0 : noiseMs));
    this.#line.level -= takenBackMs * (1 - slope);
    this.#lagMs += takenBackMs;
    held.takenBackMs += takenBackMs;
    held.lagMs = Math.max(held.lagMs, this.#lagMs);
    if (at - held.at > HELD_MS) this.#held = { lagMs: held.lagMs, at, takenBackMs: 0 };
  }

  /** How far the least offsets of the newest windows lie apart, whichever way they move as a whole, ms. */
  #noise(): number {
    const windows = this.#lateWindows.slice(-NOISE_WINDOWS);
    if (windows.length < 2) return 0;
    const { slope } = lineThrough(windows);
    const heights = windows.map(({ at, offset }) => offset - slope * at);
    return Math.max(...heights) - Math.min(...heights);
  }

  /** Takes back a rate that was learned wrongly: the timestamps run fast no longer, and the lag is nothing but that rate. */
  #review(window: Point, at: number): void {
    const { slope } = this.#line;
    const spanMs = at - this.#lateWindows[0]!.at;
    if (spanMs < REVIEW_MS) return;
    const found = lineThrough(this.#lateWindows);
    this.#lateWindows = this.#lateWindows.slice(-NOISE_WINDOWS);
    const error = QUARTZ + (MIN_ERROR_MS + found.spreadMs) / spanMs;
    if (Math.abs(found.slope) > error || slope > -2 * error) return;
    this.#slopes = { least: -error, most: error };
    this.#line = { at, level: this.#lowest, slope: 0 };
    this.#learnedSlope = 0;
    this.#windows = [];
    this.#lagMs = this.#windowLagMs = this.#height(window);
    this.#held = { lagMs: this.#lagMs, at, takenBackMs: 0 };
  }

  /** Until the rate is known, the last window is the reference: a frame's lag is its jitter. */
  #learn(window: Point, at: number): void {
    this.#windows.push(window);
    while (this.#windows.length > 4 && window.at - this.#windows[1]!.at >= LEARN_MS) this.#windows.shift();
    this.#line = { at: window.at, level: window.offset, slope: 0 };
    if (window.at - this.#windows[0]!.at < LEARN_MS || this.#windows.length < 4) return;
    const { slope } = lineThrough(this.#windows);
    // Falling offsets are a backlog that is being delivered, or timestamps that run fast: time tells.
    if (slope < -0.02 && at - this.#learningSince < BACKLOG_MS) return;
    this.#learned = true;
    this.#fit(at);
  }

  #fit(at: number): void {
    if (this.#windows.length < 4) return;
    const spanMs = this.#windows.at(-1)!.at - this.#windows[0]!.at;
    if (spanMs < LEARN_MS) return;
    const found = lineThrough(this.#windows);
    const error = QUARTZ + (MIN_ERROR_MS + 4 * found.spreadMs) / spanMs;
    if (spanMs >= RELEARN_MS && found.slope + error < this.#slopes.least && found.slope > -QUARTZ - error) {
      // The frames that were late when the stream opened say nothing about its rate.
      this.#windows = this.#windows.slice(this.#windows.length >> 1);
      this.#slopes = { least: Number.NEGATIVE_INFINITY, most: this.#slopes.least };
      this.#fit(at);
      return;
    }
    const { least, most } = this.#slopes;
    const slope = Math.min(most, Math.max(least, found.slope));
    this.#slopes = {
      least: Math.max(least, Math.min(slope, found.slope - error)),
      most: Math.min(most, Math.max(slope, found.slope + error)),
    };
    const level = Math.min(...this.#windows.map((one) => one.offset - slope * (one.at - at)));
    this.#line = { at, level, slope };
    this.#learnedSlope ??= slope;
  }

  #forget(): void {
    if (this.#windowMs >= MAX_WINDOW_MS) {
      this.#windows.shift();
      return;
    }
    this.#windowMs *= 2;
    const merged: Point[] = [];
    for (let at = 0; at < this.#windows.length; at += 2) {
      const [one, other] = [this.#windows[at]!, this.#windows[at + 1]];
      merged.push(
        other && other.offset - this.#expected(other.at) < one.offset - this.#expected(one.at) ? other : one,
      );
    }
    this.#windows = merged;
  }
}

function tooFarBehind(): QcError {
  const what = `the timestamps of the stream are more than ${MAX_LAG_MS / 1000} s behind the time, which no delay explains`;
  const remedy =
    'the stream is opened again; set a constant frame rate in the camera, also at night (switch slow shutter off)';
  return new QcError('camera-clock', what, { remedy });
}
