import type { Part } from '../inspect.ts';

/** Maximum number of waiting parts with frames; beyond it the oldest fails: its result would be late anyway. */
const maxWaiting = 8;
/** Maximum number of waiting parts: a consumer this far behind has stopped. */
const maxParts = 1_000;

export interface QueueOptions {
  /** Maximum time that a part may wait to be judged, ms. */
  readonly maxWaitMs: number;
  /** Called for frames that will not be judged. */
  readonly onShed: (frames: number) => void;
}

/** A bounded queue of parts to be judged, in order; an aborted wait loses no part. */
export class PartQueue {
  readonly #options: QueueOptions;
  readonly #parts: { part: Part; readonly since: number }[] = [];
  #ended: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#parts.length;
  }

  /** Adds a part. If too many wait, the oldest one fails and loses its frames. */
  push(part: Part): void {
    if (this.#ended || this.#parts.length >= maxParts) return;
    this.#parts.push({ part, since: performance.now() });
    const whole = this.#parts.filter((waiting) => waiting.part.failure === undefined);
    if (whole.length > maxWaiting) {
      whole[0]!.part = this.#shed(whole[0]!.part, 'parts arrive faster than they can be judged');
    }
    this.#wake?.();
  }

  #shed(part: Part, failure: string): Part {
    this.#options.onShed(part.frames.length);
    return { ...part, frames: [], failure };
  }

  /** Removes the last part if it still waits and may be replaced by a newer one. */
  dropLast(partId: string): void {
    const last = this.#parts.at(-1);
    if (last?.part.partId !== partId) return;
    this.#parts.pop();
    this.#options.onShed(last.part.frames.length);
  }

  /** Ends the queue: consumers get the remaining parts, then this error. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#wake?.();
  }

  /** The next part, for one consumer at a time; rejects when the signal aborts or the queue has ended. */
  async take(signal: AbortSignal): Promise<Part> {
    for (;;) {
      signal.throwIfAborted();
      const next = this.#parts.shift();
      if (next) return this.#inTime(next.part, performance.now() - next.since);
      if (this.#ended) throw this.#ended;
      if (this.#wake) throw new Error('two consumers wait for the parts of one camera');
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#wake = undefined;
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #inTime(part: Part, waitedMs: number): Part {
    if (part.failure !== undefined || waitedMs <= this.#options.maxWaitMs) return part;
    return this.#shed(part, `it waited ${Math.round(waitedMs)} ms for the model`);
  }
}
