import { QcError } from '../../../config/errors.ts';
import type { FromChild } from './messages.ts';

/** Until the first complete picture a stream may take this long, if packets come: key frames can be rare, ms. */
const FIRST_FRAME_MS = 15_000;
/** The child starts and loads its libraries in this time even on a busy machine, ms. */
const START_MS = 10_000;

/** Notices that no frames come: the child may be stuck, the stream silent, or full of what is no picture. */
export class Watchdog {
  readonly #stallMs: number;
  readonly #bark: (error: QcError) => void;
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout;
  #opened = false;
  #pictures = false;

  /** @param bark called once, when nothing came for `stallMs` */
  constructor(stallMs: number, bark: (error: QcError) => void) {
    this.#stallMs = stallMs;
    this.#bark = bark;
    this.#timer = setTimeout(() => this.#silent(), stallMs + START_MS);
  }

  heard(message: FromChild): void {
    if (message.kind === 'opened') this.#opened = true;
    else if (message.kind === 'frame') this.#pictures = true;
    else if (message.kind !== 'progress' || !this.#isLife(message)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#silent(), this.#stallMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #isLife({ packets, received }: { packets: number; received: number }): boolean {
    if (received > 0) return true;
    return !this.#pictures && packets > 0 && performance.now() - this.#startedAt < FIRST_FRAME_MS;
  }

  #silent(): void {
    const waited = `${this.#stallMs} ms`;
    this.#bark(
      this.#opened
        ? new QcError('camera-stalled', `no frame for ${waited}`)
        : new QcError('camera-unreachable', `no answer for ${waited}`),
    );
  }
}
