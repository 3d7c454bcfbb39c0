import { QcError } from '../../config/errors.ts';

/** Until the first complete picture a stream may take this long, if data comes: key frames can be rare, ms. */
const FIRST_PICTURE_MS = 15_000;
/** A decoder starts and loads its libraries in this time even on a busy machine, ms. */
const START_MS = 10_000;

/** Notices that no pictures come: the decoder may be stuck, the stream silent, or full of what is no picture. */
export class Watchdog {
  readonly #stallMs: number;
  readonly #bark: (error: QcError) => void;
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout;
  #opened = false;
  #pictured = false;

  /** @param bark called once, when nothing came for `stallMs` */
  constructor(stallMs: number, bark: (error: QcError) => void) {
    this.#stallMs = stallMs;
    this.#bark = bark;
    this.#timer = setTimeout(() => this.#silent(), stallMs + START_MS);
  }

  /**
   * The camera answered and described its stream.
   * @param dataIsTold whether `data` will be called for what comes before the first picture
   */
  opened({ dataIsTold }: { dataIsTold: boolean }): void {
    this.#opened = true;
    this.#restart(dataIsTold ? this.#stallMs : Math.max(this.#stallMs, FIRST_PICTURE_MS));
  }

  /** Data came that is not a picture yet. */
  data(): void {
    if (!this.#pictured && performance.now() - this.#startedAt < FIRST_PICTURE_MS) this.#restart();
  }

  /** A picture was decoded. */
  picture(): void {
    this.#opened = true;
    this.#pictured = true;
    this.#restart();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #restart(waitMs = this.#stallMs): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#silent(), waitMs);
  }

  #silent(): void {
    const waited = `${this.#stallMs} ms`;
    this.#bark(
      this.#opened
        ? new QcError('camera-stalled', `no picture for ${waited}`)
        : new QcError('camera-unreachable', `no answer for ${waited}`),
    );
  }
}
