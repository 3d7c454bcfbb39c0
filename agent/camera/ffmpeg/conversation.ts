import { QcError } from '../../../config/errors.ts';
import type { Image } from '../../../models/image.ts';
import { monotonicMs } from '../../../models/monotonic.ts';
import { BACKLOG, StreamClock, type StreamTime } from '../clock.ts';
import { regionPixels, type Size } from '../geometry.ts';
import type { FirstImage } from '../rtsp/first-image.ts';
import type { SourceContext } from '../source.ts';
import { wallTimes } from '../wall-times.ts';
import { Watchdog } from '../watchdog.ts';
import { PixelStream } from './pixels.ts';
import { endOf, type FrameLine, readLine } from './report.ts';

const KEPT_ERRORS = 8;
const CLOCK_MS = 250;
/** Damage spreads from frame to frame until the next key frame, or for this long where none comes, ms. */
const DAMAGE_MS = 5_000;

interface Written extends FrameLine {
  readonly time: StreamTime;
  /** When the command said that it was decoded, by `monotonicMs`. */
  readonly saidAt: number;
  readonly damaged: boolean;
}

/** Makes frames of what one ffmpeg process writes and says, until it fails. */
export class Conversation {
  /** Settles with the reason why it is over. */
  readonly failure: Promise<QcError>;
  readonly #context: SourceContext;
  readonly #followsSize: boolean;
  readonly #firstImage: FirstImage;
  readonly #clock: StreamClock;
  readonly #dog: Watchdog;
  readonly #images: PixelStream<Written>;
  readonly #errors: string[] = [];
  #fail!: (error: QcError) => void;
  readonly #startedAt = performance.now();
  #opened = false;
  #size: string | undefined;
  #codec: string | undefined;
  #damagedUntil = 0;
  /** Of the newest decoded frame: a written one follows at once. */
  #decodedAt: Pick<Written, 'time' | 'saidAt'> = {
    time: { capturedAt: 0, lagMs: 0, isBacklog: false },
    saidAt: 0,
  };
  #clockToldAt = 0;
  #over = false;

  /** @param followsSize whether this ffmpeg writes frames in a new size when the camera changes it */
  constructor(
    context: SourceContext,
    { followsSize, firstImage }: { followsSize: boolean; firstImage: FirstImage },
  ) {
    this.#context = context;
    this.#followsSize = followsSize;
    this.#firstImage = firstImage;
    this.#clock = new StreamClock(context.config.latencyMs);
    this.failure = new Promise((resolve) => {
      this.#fail = (error) => {
        this.#dog.stop();
        resolve(error);
      };
    });
    this.#dog = new Watchdog(context.config.stallMs, (error) => this.#fail(firstImage.explain(error)));
    this.#images = new PixelStream((image, written) => this.#frame(image, written));
  }

  pixels(chunk: Buffer): void {
    this.#images.push(chunk);
  }

  line(text: string): void {
    const line = readLine(text);
    if (!line) return;
    switch (line.kind) {
      case 'opened':
        this.#opened = true;
        this.#dog.opened({ dataIsTold: false });
        return;
      case 'codec':
        // The output is told in the same words, after the input.
        this.#codec ??= line.codec;
        return;
      case 'decoded':
        this.#decoded(line);
        return;
      case 'written': {
        const damaged = performance.now() < this.#damagedUntil;
        this.#images.expect({ ...line, ...this.#decodedAt, damaged });
        return;
      }
      case 'frozen': {
        const { freezeMs } = this.#context.config;
        this.#fail(
          new QcError(
            'camera-frozen',
            `the image of the region has not changed for ${freezeMs} ms, not even by noise`,
          ),
        );
        return;
      }
      case 'error':
        this.#errors.push(line.text);
        if (this.#errors.length > KEPT_ERRORS) this.#errors.shift();
        // Before the first image: data that no image can begin with.
        if (line.decoder && this.#size) this.#damaged();
        else if (line.decoder) this.#firstImage.packets(1);
    }
  }

  /** Nobody listens any more: what the process still says is let go. */
  end(): void {
    this.#dog.stop();
    this.#over = true;
  }

  /** The process is gone. */
  ended(): void {
    const { stallMs } = this.#context.config;
    const { code, message } = endOf(this.#errors, {
      pictures: this.#size !== undefined,
      timedOut: !this.#opened && performance.now() - this.#startedAt >= stallMs,
    });
    this.#fail(this.#firstImage.explain(new QcError(code, message)));
  }

  #decoded({ width, height, key, streamMs }: FrameLine): void {
    const saidAt = monotonicMs();
    this.#decodedAt = { time: this.#clock.at(streamMs, saidAt), saidAt };
    if (saidAt - this.#clockToldAt >= CLOCK_MS) this.#tellClock(saidAt);
    this.#dog.picture();
    this.#firstImage.image();
    this.#context.received(1);
    if (key) this.#damagedUntil = 0;
    const size = `${width} × ${height}`;
    if (this.#size !== size) {
      this.#context.described?.({ codec: this.#codec, width, height });
      this.#checkRegion({ width, height });
    }
    if (this.#size && this.#size !== size) {
      const message = `the camera changed its picture; it is ${size} now`;
      if (!this.#followsSize) this.#fail(new QcError('camera-resolution-changed', message));
      else this.#context.fault('camera-resolution-changed', message);
    }
    this.#size = size;
  }

  #tellClock(now: number): void {
    this.#clockToldAt = now;
    const { drift, fault } = this.#clock;
    this.#context.clock?.({ drift, fault, cameraFault: '', reference: undefined });
  }

  #checkRegion(picture: Size): void {
    try {
      regionPixels(this.#context.config.region, picture, true);
    } catch (error) {
      this.#fail(error as QcError);
    }
  }

  #damaged(): void {
    this.#damagedUntil = performance.now() + DAMAGE_MS;
    this.#context.fault('camera-corrupt', 'damaged frames; they are not judged');
  }

  #frame(image: Image, { time, saidAt, damaged }: Written): void {
    if (this.#over) return;
    if (damaged) {
      this.#context.dropped('corrupt', 1);
      return;
    }
    const { camera, config } = this.#context;
    const { capturedAt, isBacklog } = time;
    this.#context.deliver({
      camera,
      image,
      region: config.region,
      ...wallTimes(capturedAt),
      times: { capturedAt, arrivedAt: saidAt, decodedAt: saidAt, takenAt: monotonicMs() },
      ...(isBacklog && { doubt: BACKLOG }),
      simulated: config.simulated,
    });
  }
}
