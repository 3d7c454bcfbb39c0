import type { Frame } from '../../models/image.ts';
import type { CameraEvent, CameraEvents } from './camera.ts';

/**
 * Holds the newest frame of one camera until someone takes it. A newer frame overwrites it; the overwritten one
 * is told to `onOverwritten`. A loss is never overwritten and comes before any frame that followed it.
 */
export class FrameSlot implements CameraEvents {
  readonly #onOverwritten: () => void;
  #lost: string | undefined;
  #frame: Frame | undefined;
  #waiting: { resolve: (event: CameraEvent) => void; stop: () => void } | undefined;

  constructor(onOverwritten: () => void) {
    this.#onOverwritten = onOverwritten;
  }

  put(frame: Frame): void {
    if (this.#frame) this.#onOverwritten();
    this.#frame = frame;
    this.#settle();
  }

  /** The camera was lost: a frame nobody took is older than the loss and stale, so it goes. */
  lose(reason: string): void {
    if (this.#frame) this.#onOverwritten();
    this.#frame = undefined;
    this.#lost = reason;
    this.#settle();
  }

  /** A frame nobody took is of no use any more: another region is to be cut. */
  drop(): void {
    if (this.#frame) this.#onOverwritten();
    this.#frame = undefined;
  }

  next(signal: AbortSignal): Promise<CameraEvent> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#waiting) return Promise.reject(new Error('two readers wait for one camera'));
    return new Promise((resolve, reject) => {
      const aborted = () => {
        this.#waiting = undefined;
        reject(signal.reason);
      };
      signal.addEventListener('abort', aborted, { once: true });
      this.#waiting = { resolve, stop: () => signal.removeEventListener('abort', aborted) };
      this.#settle();
    });
  }

  #settle(): void {
    const waiting = this.#waiting;
    const event = waiting && this.#take();
    if (!waiting || !event) return;
    this.#waiting = undefined;
    waiting.stop();
    waiting.resolve(event);
  }

  #take(): CameraEvent | undefined {
    if (this.#lost !== undefined) {
      const reason = this.#lost;
      this.#lost = undefined;
      return { kind: 'lost', reason };
    }
    if (!this.#frame) return undefined;
    const frame = this.#frame;
    this.#frame = undefined;
    return { kind: 'frame', frame };
  }
}
