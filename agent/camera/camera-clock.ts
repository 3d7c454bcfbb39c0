import { monotonicMs } from '../../models/run/monotonic.ts';
import { StreamClock } from './clock.ts';

/** A camera that claims a larger delay has a wrong clock, ms. */
const BELIEVABLE_MS = 10_000;
/** A camera's clock may be ahead of ours by this much, ms. */
const AHEAD_MS = 500;
/** The delay by the camera's clock changes by no more than this unless a clock was set, ms. */
const STEP_MS = 500;
/** How fast the delay follows clocks that are slewed, share per frame. */
const SLEW = 0.02;
/** A stream that is later than this after it was opened again is late, ms; and longest that is believed, ms. */
const LATE_MS = 500;
const MAX_LATE_MS = 60_000;
/** How far the clocks of camera and machine drift apart, ms per ms: twice what quartz does. */
const DRIFT = 0.0002;

/** What one connection knows of the camera's clock, for the next one. */
export interface ClockReference {
  /** Arrival (monotonic) less capture by the camera's clock of the fastest frames, ms. */
  readonly offsetMs: number;
  /** When this held last, by `monotonicMs`. */
  readonly at: number;
}

/**
 * What the camera's clock (NTP times of its sender reports) says about the delay of its frames.
 * - `delayMs` is the delay that the timestamps of the stream cannot show because it was there from the first frame. It is
 *   compared on the wall clock, so it is believed only while neither clock is set: after a step it stays as it was,
 *   or grows.
 * - The reference (monotonic arrival − camera time) outlives the connection: a stream that is opened again and arrives later
 *   than before is late. Not so if the clocks may have drifted apart by as much meanwhile, or agree now: the camera's was set.
 */
export class CameraClock {
  readonly #before: ClockReference | undefined;
  readonly #clock = new StreamClock(0);
  #compared = false;
  #delayMs: number | undefined;
  #fault = '';
  #wallOffsetMs: number | undefined;
  #arrivedAt = 0;

  /** @param before the reference of the connection before */
  constructor(before: ClockReference | undefined) {
    this.#before = before;
  }

  /** Delay that the stream's timestamps do not show, ms; 0 until the camera's clock is known. */
  get delayMs(): number {
    return this.#delayMs ?? 0;
  }

  /** Why the camera's clock is not used, in words; empty while it is. */
  get fault(): string {
    return this.#fault;
  }

  /** The reference for the next connection; undefined while this one does not know a good one. */
  reference(lagMs: number): ClockReference | undefined {
    const { offsetMs } = this.#clock;
    if (lagMs >= LATE_MS / 4 || !this.#compared || offsetMs === undefined) return undefined;
    return { offsetMs, at: this.#arrivedAt };
  }

  /**
   * @param cameraMs the frame's capture by the camera's clock, ms since the epoch
   * @param arrivalMs monotonic
   * @param lagMs by the timestamps of the stream
   * @param wallOffsetMs this machine's clock (ms since the epoch) less the monotonic time, now
   * @returns a lag that the stream has had since it was opened, once, if it is known to have one
   */
  see(
    cameraMs: number,
    arrivalMs: number,
    lagMs: number,
    wallOffsetMs = Date.now() - monotonicMs(),
  ): number | undefined {
    this.#clock.at(cameraMs, arrivalMs);
    this.#arrivedAt = arrivalMs;
    const delayMs = arrivalMs + wallOffsetMs - cameraMs;
    this.#weigh(delayMs - lagMs, wallOffsetMs);
    if (this.#compared) return undefined;
    this.#compared = true;
    if (this.#before === undefined || Math.abs(delayMs) < AHEAD_MS) return undefined;
    const lateMs = arrivalMs - cameraMs - this.#before.offsetMs;
    const minMs = LATE_MS + DRIFT * (arrivalMs - this.#before.at);
    return lateMs > minMs && lateMs < MAX_LATE_MS ? lateMs : undefined;
  }

  /** @param delayMs by both wall clocks, beyond the lag of the stream */
  #weigh(delayMs: number, wallOffsetMs: number): void {
    this.#wallOffsetMs ??= wallOffsetMs;
    const setMs = wallOffsetMs - this.#wallOffsetMs;
    const known = this.#delayMs;
    const isBelievable = delayMs > -AHEAD_MS && delayMs < BELIEVABLE_MS;
    if (known === undefined) {
      if (isBelievable) this.#delayMs = Math.max(0, delayMs);
      this.#fault = isBelievable ? '' : offBy(delayMs);
      return;
    }
    if (Math.abs(delayMs - known) < STEP_MS) {
      this.#delayMs = Math.max(0, known + SLEW * (delayMs - known));
      this.#wallOffsetMs += SLEW * setMs;
      this.#fault = '';
      return;
    }
    // One of the clocks was set. Which of them is right now is not known: the longer delay is the safe one.
    if (isBelievable && delayMs > known) this.#delayMs = delayMs;
    const machineSet = Math.abs(setMs) > STEP_MS;
    const which = machineSet ? "this machine's clock" : 'the camera clock';
    const byMs = machineSet ? setMs : known - delayMs;
    this.#fault = `${which} was set by ${seconds(byMs)}; capture times follow the arrival of the frames`;
  }
}

function offBy(delayMs: number): string {
  if (delayMs > 1e12) return 'the camera clock is not set';
  return `the camera clock is ${seconds(Math.abs(delayMs))} ${delayMs < 0 ? 'ahead' : 'behind'}`;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
