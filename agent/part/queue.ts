import type { Part } from '../inspect.ts';

/** Parts that wait with their frames; beyond, a slow consumer gets them as failed, without frames. */
const MAX_WAITING = 8;
/** Parts that wait at all: a consumer this far behind is dead. */
const MAX_PARTS = 1_000;

/** Parts on their way to the one who judges them: in order, bounded, none lost to an aborted wait. */
export class PartQueue {
  #parts: Part[] = [];
  #ended: Error | undefined;
  #wake: (() => void) | undefined;

  get length(): number {
    return this.#parts.length;
  }

  /** Adds a part; one that would wait too far back keeps its result, as failed, but not its frames. */
  push(part: Part): void {
    if (this.#ended || this.#parts.length >= MAX_PARTS) return;
    const late = this.#parts.length >= MAX_WAITING && part.failure === undefined;
    this.#parts.push(
      late ? { ...part, frames: [], failure: 'parts come faster than they can be judged' } : part,
    );
    this.#wake?.();
  }

  /** Takes back the last part if it still waits and may be replaced by a newer one. */
  dropLast(partId: string): void {
    if (this.#parts.at(-1)?.partId === partId) this.#parts.pop();
  }

  /** Nothing follows: whoever waits gets what is left, then this error. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#wake?.();
  }

  /** The next part, for one consumer at a time; rejects when the signal aborts or the queue has ended. */
  async take(signal: AbortSignal): Promise<Part> {
    for (;;) {
      signal.throwIfAborted();
      const part = this.#parts.shift();
      if (part) return part;
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
}
