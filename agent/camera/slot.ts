import type { Frame } from '../../models/image.ts';
import type { CameraEvent, CameraEvents } from './camera.ts';

/**
 * Holds the newest frame of one camera until someone takes it. A newer frame overwrites it; `onOverwritten` is called for
 * the overwritten one. A loss is never overwritten and is delivered before any later frame.
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

  /** The camera was lost: a frame that was not taken is older than the loss, so it is dropped. */
  lose(reason: string): void {
    if (this.#frame) this.#onOverwritten();
    this.#frame = undefined;
    this.#lost = reason;
    this.#settle();
  }

  /** Drops a frame that was not taken: the region has changed. */
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
