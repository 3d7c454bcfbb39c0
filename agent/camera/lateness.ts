import type { ClockReference } from './camera-clock.ts';
import type { SetCondition } from './condition.ts';
import type { ClockReport } from './source.ts';

/** A camera is late if no frame was recent enough for this long, ms. */
const LATE_AFTER_MS = 1_000;
/** It is no longer late when the age of a frame is below this share of the maximum age. */
const YOUNG = 0.8;

/** Measures the age of a camera's frames on arrival, and reports wrong clocks. */
export class Lateness {
  readonly #maxAgeMs: number;
  readonly #condition: SetCondition;
  #youngAt: number | undefined;
  #late = false;
  #lag = { since: 0, minMs: Number.POSITIVE_INFINITY, beforeMs: undefined as number | undefined };
  #clockText = '';
  drift = 0;
  /** `ClockReport.reference`, for the next connection. */
  reference: ClockReference | undefined;

  /** @param maxAgeMs a part must not pass on a frame of this age or more */
  constructor(maxAgeMs: number, condition: SetCondition) {
    this.#maxAgeMs = maxAgeMs;
    this.#condition = condition;
  }

  /** The smallest age of a frame within about the last second, ms; undefined until it is known. */
  get lagMs(): number | undefined {
    const { minMs, beforeMs } = this.#lag;
    return beforeMs === undefined ? undefined : Math.min(beforeMs, minMs);
  }

  /**
   * Checks the age of a frame.
   * @param now when the agent received it, by `monotonicMs`
   * @returns why a part must not pass on it; undefined if it is recent enough
   */
  observe(capturedAt: number, now: number): string | undefined {
    const ageMs = now - capturedAt;
    this.#measure(ageMs, now);
    this.#youngAt ??= now;
    if (ageMs <= this.#maxAgeMs) {
      this.#youngAt = now;
      if (this.#late && ageMs < YOUNG * this.#maxAgeMs) this.#report(undefined);
      return undefined;
    }
    if (!this.#late && now - this.#youngAt >= LATE_AFTER_MS) this.#report(ageMs);
    return `the image was ${seconds(ageMs)} old when it arrived, more than maxAgeMs (${this.#maxAgeMs}) allows`;
  }

  clock({ drift, fault, cameraFault, reference }: ClockReport): void {
    this.drift = drift;
    this.reference = reference ?? this.reference;
    const text = [fault, cameraFault].filter(Boolean).join('; ');
    // Compared without its figures, which change all the time.
    if (withoutFigures(text) === withoutFigures(this.#clockText)) return;
    this.#clockText = text;
    this.#condition('clock', text);
  }

  #measure(ageMs: number, now: number): void {
    if (now - this.#lag.since >= 1_000) {
      const { minMs } = this.#lag;
      this.#lag = {
        since: now,
        minMs: Number.POSITIVE_INFINITY,
        beforeMs: Number.isFinite(minMs) ? minMs : ageMs,
      };
    }
    this.#lag.minMs = Math.min(this.#lag.minMs, ageMs);
  }

  #report(ageMs: number | undefined): void {
    this.#late = ageMs !== undefined;
    this.#condition(
      'late',
      ageMs === undefined
        ? ''
        : `frames arrive ${seconds(ageMs)} after their capture, more than maxAgeMs (${this.#maxAgeMs}) allows, and no part passes: ` +
            'find what delays the stream (network, switch, recorder, proxy), remove it, and restart the camera or the agent',
    );
  }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const withoutFigures = (text: string) => text.replaceAll(/[\d.]+/g, '#');
