import { QcError } from '../../config/errors.ts';

/** Maximum time until the first complete image while data arrives, ms: key frames can be rare. */
const FIRST_IMAGE_MS = 15_000;
/** Time for a decoder to start and load its libraries, even on a busy machine, ms. */
const START_MS = 10_000;

/** Detects that no images arrive: the decoder hangs, or the stream is silent or contains no images. */
export class Watchdog {
  readonly #stallMs: number;
  readonly #onStall: (error: QcError) => void;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #opened = false;
  #hasImage = false;

  /** @param onStall called once, when nothing has arrived for `stallMs` */
  constructor(stallMs: number, onStall: (error: QcError) => void) {
    this.#stallMs = stallMs;
    this.#onStall = onStall;
  }

  /** Starts watching; end it with `stop`. */
  start(): void {
    this.#startedAt = performance.now();
    this.#restart(this.#stallMs + START_MS);
  }

  /**
   * The camera answered and described its stream.
   * @param reportsData whether `data` is called for data before the first image
   */
  opened({ reportsData }: { reportsData: boolean }): void {
    this.#opened = true;
    this.#restart(reportsData ? this.#stallMs : Math.max(this.#stallMs, FIRST_IMAGE_MS));
  }

  /** Data arrived that is not a complete image yet. */
  data(): void {
    if (!this.#hasImage && performance.now() - this.#startedAt < FIRST_IMAGE_MS) this.#restart();
  }

  /** An image was decoded. */
  image(): void {
    this.#opened = true;
    this.#hasImage = true;
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
    this.#onStall(
      this.#opened
        ? new QcError('camera-stalled', `no image for ${waited}`)
        : new QcError('camera-unreachable', `no answer for ${waited}`),
    );
  }
}
