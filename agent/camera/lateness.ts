import type { ClockReference } from './camera-clock.ts';
import type { SetCondition } from './condition.ts';
import type { ClockReport } from './source.ts';

/** A camera is late when no frame was young enough for this long, ms. */
const LATE_AFTER_MS = 1_000;
/** It is no longer late when a frame is younger than this share of the largest age. */
const YOUNG = 0.8;

/** How old the frames of one camera are when the agent has them, and whether its clocks can be trusted. */
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

  /** @param maxAgeMs from this age on, a part must not pass */
  constructor(maxAgeMs: number, condition: SetCondition) {
    this.#maxAgeMs = maxAgeMs;
    this.#condition = condition;
  }

  /** The least age of the frames of about the last second, ms; undefined until it is known. */
  get lagMs(): number | undefined {
    const { minMs, beforeMs } = this.#lag;
    return beforeMs === undefined ? undefined : Math.min(beforeMs, minMs);
  }

  /**
   * Looks at the age of a frame.
   * @param now when the agent had it, by `monotonicMs`
   * @returns why a part must not pass on it; undefined if it is young enough
   */
  see(capturedAt: number, now: number): string | undefined {
    const ageMs = now - capturedAt;
    this.#measure(ageMs, now);
    this.#youngAt ??= now;
    if (ageMs <= this.#maxAgeMs) {
      this.#youngAt = now;
      if (this.#late && ageMs < YOUNG * this.#maxAgeMs) this.#tell(undefined);
      return undefined;
    }
    if (!this.#late && now - this.#youngAt >= LATE_AFTER_MS) this.#tell(ageMs);
    return `the image was ${seconds(ageMs)} old when it arrived, more than maxAgeMs (${this.#maxAgeMs}) allows`;
  }

  clock({ drift, fault, cameraFault, reference }: ClockReport): void {
    this.drift = drift;
    this.reference = reference ?? this.reference;
    const text = [fault, cameraFault].filter(Boolean).join('; ');
    // The figures in it change all the time.
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

  #tell(ageMs: number | undefined): void {
    this.#late = ageMs !== undefined;
    this.#condition(
      'late',
      ageMs === undefined
        ? ''
        : `frames arrive ${seconds(ageMs)} after their capture, more than maxAgeMs (${this.#maxAgeMs}) allows, and no part passes: ` +
            'look for what delays the stream (network, switch, recorder, proxy), remove it, and restart the camera or the agent',
    );
  }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const withoutFigures = (text: string) => text.replaceAll(/[\d.]+/g, '#');
