import { QcError } from '../../config/errors.ts';
import { ClockRate, offsetOn } from './clock-rate.ts';
import { LastGood } from './last-good.ts';
import { lineThrough, type Point } from './trend.ts';

/** A larger lag is not jitter: the reference stays unchanged until the lag is gone, ms. */
const LOCK_MS = 150;
/** A timestamp that is ahead of the reference by more than this has jumped, ms. */
const JUMP_MS = 200;
/** A jump is reported for this long, ms. */
const JUMP_REPORTED_MS = 30_000;
/** After this many consecutive frames without a new timestamp, the stream has no timestamps. */
const UNSTAMPED_FRAMES = 5;
/**
 * A lag that shrinks must do so faster than an error of the rate explains: by more than the first within a window, or by more
 * than the second within `HELD_MS`, in addition to what the error explains, ms.
 */
const DRAINED_AT_ONCE_MS = 100;
const DRAINED_MS = 50;
const HELD_MS = 10_000;
/** No network delays frames for longer, ms. */
const MAX_LAG_MS = 60_000;
/** Number of windows for measuring jitter. */
const NOISE_WINDOWS = 16;
/** While a stream opens: time constant of the fall of the reference, and the fall that indicates a backlog, ms. */
const FALL_MS = 300;
const BACKLOG_FALL_MS = 75;
/** After timestamps stepped ahead while late, it is known within this time whether the sender discarded a backlog, ms. */
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
 * is a line over time, the reference: its slope is the rate error of the timestamps (`ClockRate`), and the distance of a
 * frame above it is the frame's lag.
 *
 * Invariants:
 * - Arrival limits capture: no timestamp makes a frame younger than its arrival.
 * - The reference goes down at once (a frame that arrived faster proves that the others were late) and up only along its
 *   slope. The slope is learned when the stream opens and then only gets more certain or smaller, so a growing delay is not
 *   mistaken for a slow clock. A slope that was learned from a growing delay is detected later: no frame can arrive before
 *   its capture. While the lag is above `LOCK_MS` nothing is learned: a delay is never forgotten.
 * - Timestamps that no delay can cause (backwards, constant, in the future) move the reference by as much as they moved,
 *   keep the lag, and are reported.
 * - If a lag grows exactly as fast as the assumed rate error while the timestamps are correct, it is not a lag: the rate was
 *   learned from a backlog or from jitter. Only this correction lowers a lag without delivered frames.
 *
 * A delay that is constant from the first frame on cannot be detected here.
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
  #line: { at: number; level: number; slope: number } = { at: 0, level: 0, slope: 0 };
  readonly #rate = new ClockRate();
  readonly #lastGood = new LastGood();
  #learned = false;
  #windowSince = 0;
  #window: Point | undefined;
  #lagMs = 0;
  /** While late: the largest lag since a backlog was last delivered, and the corrections since `at`. */
  #held = { lagMs: 0, at: 0, takenBackMs: 0 };
  /** The least offset since the timestamps jumped, and the windows while late, to check the rate. */
  #lowest = Number.POSITIVE_INFINITY;
  #lateWindows: Point[] = [];
  /** Lag of the previous window. */
  #windowLagMs = 0;
  #fallMs = 0;
  #jump: { ms: number; at: number } | undefined;

  /** @param latencyMs known delay from shutter to arrival, subtracted */
  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  /** Lag without jitter: the least lag of the last quarter of a second, ms. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** How much slower (−: faster) the timestamps run than this machine's clock, ms per ms; 0 until it is known. */
  get drift(): number {
    return this.#learned ? this.#line.slope : 0;
  }

  /** The reference offset now, ms; undefined until it is known, or if timestamps had to be corrected. */
  get offsetMs(): number | undefined {
    return this.#learned && !this.#jump ? offsetOn(this.#line, this.#lastArrivalMs) : undefined;
  }

  /** What is wrong with the timestamps, as text; empty if nothing is. */
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
    if (!this.#rate.isOff) return '';
    const percent = Math.abs(this.drift * 100).toPrecision(2);
    const how = this.drift > 0 ? 'slow' : 'fast';
    return `the timestamps of the stream run ${percent} % ${how}; frames are dated by their arrival`;
  }

  /** Why the stream must be reopened: the timestamps are further behind than any delay; undefined if they are not. */
  get failure(): QcError | undefined {
    return this.#lagMs > MAX_LAG_MS ? tooFarBehind() : undefined;
  }

  /** Sets a lag that is known from another source than the timestamps, ms. */
  assumeLag(lagMs: number): void {
    this.#line.level -= lagMs - this.#lagMs;
    this.#lowest -= lagMs - this.#lagMs;
    this.#rate.restart();
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
      this.#windowSince = arrivalMs;
      this.#rate.open(arrivalMs);
      return this.#lagMs;
    }
    if (this.#lagMs >= LOCK_MS && this.#jump && arrivalMs - this.#jump.at < DISCARDED_MS)
      this.#recover({ at: arrivalMs, offset });
    const stepMs = streamMs - last;
    const waitedMs = arrivalMs - this.#lastArrivalMs;
    const early = offsetOn(this.#line, arrivalMs) - offset;
    const lagMs = this.#height({ at: arrivalMs, offset });
    if (stepMs < 0 || unusable || (stepMs - waitedMs > JUMP_MS && this.#isJump(stepMs, early, lagMs))) {
      const byMs = early + this.#lagMs * (1 - this.#line.slope);
      // While the stream opens, the end of a backlog looks the same.
      if (this.#learned || stepMs < 0) this.#jump = { ms: byMs, at: arrivalMs };
      this.#line.level -= byMs;
      // Earlier windows cannot be joined to later ones; the rate is still known.
      this.#rate.restart();
      this.#window = undefined;
      this.#lowest = offset - this.#lagMs;
      this.#lateWindows = [];
      return this.#lagMs;
    }
    this.#lowest = Math.min(this.#lowest, offset);
    if (!wasUnstamped && this.#isStall(stepMs, waitedMs) && !this.#learned) {
      this.#learned = true;
      this.#rate.restart();
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
    this.#rate.restart();
    this.#window = undefined;
    this.#lateWindows = [];
    this.#lowest = point.offset;
  }

  /** How late a frame of this offset is, ms. */
  #height({ at, offset }: Point): number {
    return Math.max(0, offset - offsetOn(this.#line, at)) / Math.max(0.05, 1 - this.#line.slope);
  }

  /**
   * Whether a timestamp that is far ahead of the previous one has jumped. Otherwise a backlog is being delivered frame by frame,
   * or was skipped as a whole.
   */
  #isJump(stepMs: number, early: number, lagMs: number): boolean {
    if (early > JUMP_MS) return true;
    const wasLate = this.#lagMs >= LOCK_MS;
    return wasLate && lagMs >= LOCK_MS && stepMs > 4 * this.#usualStampMs;
  }

  /** Whether frames paused for a moment while the timestamps did not: only a delay causes that. */
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
    if (point.at - this.#windowSince >= this.#rate.windowMs) this.#closeWindow(point.at);
    const window = this.#window;
    const above = ({ at, offset }: Point) => offset - offsetOn(this.#line, at);
    if (!window || above(point) < above(window)) {
      this.#window = { ...point };
    }
    // A lag that ends is known at once; a growing one is known when its window is complete.
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
    this.#rate.add(window, this.#line);
    this.#line = this.#rate.fit(at) ?? this.#line;
    this.#lastGood.keep(this.#line);
  }

  /**
   * While late, only the visible delivery of a backlog makes the lag smaller. A wrong rate makes it smaller too, but slowly:
   * that part is corrected.
   */
  #holdLag(at: number, beforeMs: number): void {
    const held = this.#held;
    const { slope } = this.#line;
    const doubtful = this.#rate.doubtOf(slope);
    const shrunkMs = held.lagMs - this.#lagMs;
    if (beforeMs - this.#lagMs > DRAINED_AT_ONCE_MS + 2 * doubtful * this.#rate.windowMs) {
      this.#held = { lagMs: this.#lagMs, at, takenBackMs: held.takenBackMs };
      return;
    }
    if (shrunkMs + held.takenBackMs > DRAINED_MS + 2 * doubtful * (at - held.at)) {
      this.#line.level += held.takenBackMs * (1 - slope);
      this.#lagMs = Math.max(0, this.#lagMs - held.takenBackMs);
      this.#held = { lagMs: this.#lagMs, at, takenBackMs: 0 };
      return;
    }
    // Jitter does not shrink the lag: corrections for it would add up.
    const noiseMs = this.#noise();
    const takenBackMs = Math.max(0, shrunkMs - DRAINED_MS - (noiseMs < LOCK_MS ? 0 : noiseMs));
    this.#line.level -= takenBackMs * (1 - slope);
    this.#lagMs += takenBackMs;
    held.takenBackMs += takenBackMs;
    held.lagMs = Math.max(held.lagMs, this.#lagMs);
    if (at - held.at > HELD_MS) this.#held = { lagMs: held.lagMs, at, takenBackMs: 0 };
  }

  /** Spread of the least offsets of the newest windows around their trend, ms. */
  #noise(): number {
    const windows = this.#lateWindows.slice(-NOISE_WINDOWS);
    if (windows.length < 2) return 0;
    const { slope } = lineThrough(windows);
    const heights = windows.map(({ at, offset }) => offset - slope * at);
    return Math.max(...heights) - Math.min(...heights);
  }

  /** Corrects a rate that was learned wrongly. */
  #review(window: Point, at: number): void {
    const isWrong = this.#rate.isWrong(this.#line.slope, this.#lateWindows, at);
    if (isWrong === undefined) return;
    this.#lateWindows = this.#lateWindows.slice(-NOISE_WINDOWS);
    if (!isWrong) return;
    this.#line = { at, level: this.#lowest, slope: 0 };
    this.#lagMs = this.#windowLagMs = this.#height(window);
    this.#held = { lagMs: this.#lagMs, at, takenBackMs: 0 };
  }

  /** Until the rate is known, the last window is the reference: a frame's lag is its jitter. */
  #learn(window: Point, at: number): void {
    this.#line = { at: window.at, level: window.offset, slope: 0 };
    this.#learned = this.#rate.learn(window, at);
    if (this.#learned) this.#line = this.#rate.fit(at) ?? this.#line;
  }
}

function tooFarBehind(): QcError {
  const what = `the timestamps of the stream are more than ${MAX_LAG_MS / 1000} s behind the time, which no delay explains`;
  const remedy =
    'the stream is reopened; set a constant frame rate in the camera, also at night (switch slow shutter off)';
  return new QcError('camera-clock', what, { remedy });
}
