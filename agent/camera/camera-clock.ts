import { monotonicMs } from '../../models/run/monotonic.ts';
import { StreamClock } from './clock.ts';

/** A camera whose clock implies a larger delay has a wrong clock, ms. */
const MAX_DELAY_MS = 10_000;
/** A camera's clock may be ahead of ours by this much, ms. */
const AHEAD_MS = 500;
/** A larger change of the delay means that a clock was set, ms. */
const STEP_MS = 500;
/** How fast the delay follows slewed clocks, share per frame. */
const SLEW = 0.02;
/** A reopened stream with a delay between these two is late, ms; a longer one is not plausible. */
const LATE_MS = 500;
const MAX_LATE_MS = 60_000;
/** Maximum drift between the clocks of camera and machine, ms per ms: twice that of quartz. */
const DRIFT = 0.0002;

/** What one connection learned about the camera's clock, for the next connection. */
export interface ClockReference {
  /** Arrival (monotonic) minus capture (camera's clock) of the fastest frames, ms. */
  readonly offsetMs: number;
  /** When this was last measured, by `monotonicMs`. */
  readonly at: number;
}

/**
 * Derives the delay of frames from the camera's clock (NTP times of its sender reports).
 * - `delayMs` is the delay that the timestamps of the stream cannot show because it existed from the first frame on. It is
 *   measured by the wall clock, so it is only valid while neither clock is set: after a step it keeps its value or grows.
 * - The reference (monotonic arrival − camera time) outlives the connection: a reopened stream that arrives later than
 *   previous is late, unless clock drift can explain the difference, or both clocks agree now (the camera's clock was set).
 */
export class CameraClock {
  readonly #previous: ClockReference | undefined;
  readonly #clock = new StreamClock(0);
  #compared = false;
  #delayMs: number | undefined;
  #fault = '';
  #wallOffsetMs: number | undefined;
  #arrivedAt = 0;

  /** @param previous the reference of the previous connection */
  constructor(previous: ClockReference | undefined) {
    this.#previous = previous;
  }

  /** Delay that the stream's timestamps do not show, ms; 0 until the camera's clock is known. */
  get delayMs(): number {
    return this.#delayMs ?? 0;
  }

  /** Why the camera's clock is not used, in words; empty while it is. */
  get fault(): string {
    return this.#fault;
  }

  /** The reference for the next connection; undefined while there is no reliable one. */
  reference(lagMs: number): ClockReference | undefined {
    const { offsetMs } = this.#clock;
    if (lagMs >= LATE_MS / 4 || !this.#compared || offsetMs === undefined) return undefined;
    return { offsetMs, at: this.#arrivedAt };
  }

  /**
   * @param cameraMs the frame's capture by the camera's clock, ms since the epoch
   * @param arrivalMs monotonic
   * @param lagMs by the timestamps of the stream
   * @param wallOffsetMs this machine's clock (ms since the epoch) minus the monotonic time, now
   * @returns the lag that the stream has had since it was opened; returned once, undefined if there is none
   */
  observe(
    cameraMs: number,
    arrivalMs: number,
    lagMs: number,
    wallOffsetMs = Date.now() - monotonicMs(),
  ): number | undefined {
    this.#clock.at(cameraMs, arrivalMs);
    this.#arrivedAt = arrivalMs;
    const delayMs = arrivalMs + wallOffsetMs - cameraMs;
    this.#updateDelay(delayMs - lagMs, wallOffsetMs);
    if (this.#compared) return undefined;
    this.#compared = true;
    if (this.#previous === undefined || Math.abs(delayMs) < AHEAD_MS) return undefined;
    const lateMs = arrivalMs - cameraMs - this.#previous.offsetMs;
    const minMs = LATE_MS + DRIFT * (arrivalMs - this.#previous.at);
    return lateMs > minMs && lateMs < MAX_LATE_MS ? lateMs : undefined;
  }

  /** @param delayMs measured by both wall clocks, without the lag of the stream */
  #updateDelay(delayMs: number, wallOffsetMs: number): void {
    this.#wallOffsetMs ??= wallOffsetMs;
    const setMs = wallOffsetMs - this.#wallOffsetMs;
    const known = this.#delayMs;
    const isPlausible = delayMs > -AHEAD_MS && delayMs < MAX_DELAY_MS;
    if (known === undefined) {
      if (isPlausible) this.#delayMs = Math.max(0, delayMs);
      this.#fault = isPlausible ? '' : clockError(delayMs);
      return;
    }
    if (Math.abs(delayMs - known) < STEP_MS) {
      this.#delayMs = Math.max(0, known + SLEW * (delayMs - known));
      this.#wallOffsetMs += SLEW * setMs;
      this.#fault = '';
      return;
    }
    // One of the clocks was set. It is unknown which one is right now: the longer delay is safe.
    if (isPlausible && delayMs > known) this.#delayMs = delayMs;
    const machineSet = Math.abs(setMs) > STEP_MS;
    const which = machineSet ? "this machine's clock" : 'the camera clock';
    const byMs = machineSet ? setMs : known - delayMs;
    this.#fault = `${which} was set by ${seconds(byMs)}; capture times follow the arrival of the frames`;
  }
}

function clockError(delayMs: number): string {
  if (delayMs > 1e12) return 'the camera clock is not set';
  return `the camera clock is ${seconds(Math.abs(delayMs))} ${delayMs < 0 ? 'ahead' : 'behind'}`;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
