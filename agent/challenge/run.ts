/** One challenge test that is running: which part is expected, and which parts of the line are it. */
import type { Part } from '../inspect.ts';
import type { ChallengePart } from '../publish/messages.ts';

export interface Step {
  readonly camera: string;
  readonly part: ChallengePart;
}

export interface RunOptions {
  readonly cameras: readonly string[];
  /** Number of parts for each camera. */
  readonly bad: number;
  readonly good: number;
  /** Whether the camera judges without waiting for a part: then a person reports that the part is in place. */
  readonly isContinuous: (camera: string) => boolean;
  /** By `monotonicMs`. */
  readonly startedAt: number;
  /** The same on the clock of the machine, ms since the epoch. */
  readonly startedAtWall: number;
}

/**
 * Parts are expected one after the other. The bad parts of a camera come first, so that a good one is the last. A part belongs to
 * the test if all its images were captured after it was asked for; earlier ones are ordinary parts.
 */
export class Run {
  readonly options: RunOptions;
  readonly steps: readonly Step[];
  /** Why the previous part was not counted. */
  remark = '';
  #index = 0;
  /** From when on images show the expected part; undefined until it is in place. */
  #askedAt: number | undefined;
  #isTaken = false;

  constructor(options: RunOptions) {
    this.options = options;
    const { cameras, bad, good } = options;
    this.steps = cameras.flatMap((camera) => [
      ...Array.from({ length: bad }, (): Step => ({ camera, part: 'bad' })),
      ...Array.from({ length: good }, (): Step => ({ camera, part: 'good' })),
    ]);
    this.#ask(options.startedAt);
  }

  /** The expected part; undefined when all were classified. */
  get step(): Step | undefined {
    return this.steps[this.#index];
  }

  /** Number of the expected part, from 1. */
  get number(): number {
    return this.#index + 1;
  }

  get waitsForPlaced(): boolean {
    return this.#askedAt === undefined && !this.#isTaken;
  }

  /** The part is in place. */
  placed(now: number): void {
    if (this.waitsForPlaced) this.#askedAt = now;
  }

  /** Whether this is the expected part; if so, no other part is it until `next` or `again`. */
  take(camera: string, { frames, failure }: Pick<Part, 'frames' | 'failure'>): boolean {
    const since = this.#askedAt;
    if (this.#isTaken || since === undefined || this.step?.camera !== camera) return false;
    if (failure !== undefined || frames.length === 0) return false;
    if (
      !frames.every(({ times, firstSeenAt }) => Math.min(times.capturedAt, firstSeenAt ?? Infinity) >= since)
    )
      return false;
    this.#isTaken = true;
    return true;
  }

  /** The expected part was classified correctly. */
  next(now: number): void {
    this.remark = '';
    this.#index++;
    this.#ask(now);
  }

  /** The part was not counted: it is expected again. */
  again(now: number, remark: string): void {
    this.remark = remark;
    this.#ask(now);
  }

  #ask(now: number): void {
    this.#isTaken = false;
    const { step } = this;
    this.#askedAt = step && this.options.isContinuous(step.camera) ? undefined : now;
  }
}
