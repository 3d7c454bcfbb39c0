import type { FrameMessage, FromChild } from './messages.ts';

/** Frames that may be under way to the agent at once. */
const CREDIT = 2;

/**
 * Sends frames to the agent, at most two unacknowledged. Beyond that the newest one waits, and one that is
 * replaced while it waits is lost and counted.
 */
export class Outlet {
  readonly #send: (message: FromChild) => void;
  readonly #onBusy: () => void;
  #underWay = 0;
  #waiting: FrameMessage | undefined;

  constructor(send: (message: FromChild) => void, onBusy: () => void) {
    this.#send = send;
    this.#onBusy = onBusy;
  }

  put(frame: FrameMessage): void {
    if (this.#waiting) this.#onBusy();
    this.#waiting = frame;
    this.#flush();
  }

  /** The agent took one. */
  taken(): void {
    this.#underWay = Math.max(0, this.#underWay - 1);
    this.#flush();
  }

  #flush(): void {
    if (!this.#waiting || this.#underWay >= CREDIT) return;
    const frame = this.#waiting;
    this.#waiting = undefined;
    this.#underWay++;
    this.#send(frame);
  }
}
