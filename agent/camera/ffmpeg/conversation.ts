import { QcError } from '../../../config/errors.ts';
import type { Image } from '../../../models/image.ts';
import { monotonicMs } from '../../../models/run/monotonic.ts';
import { BACKLOG, StreamClock, type StreamTime } from '../clock.ts';
import { type Damage, damagedText, noKeyFrame } from '../damage.ts';
import { regionPixels, type Size } from '../geometry.ts';
import { frameSize, interlacedScan, interlacedText, type Scan } from '../interlaced.ts';
import type { FirstImage } from '../rtsp/first-image.ts';
import type { SourceContext } from '../source.ts';
import { wallTimes } from '../wall-times.ts';
import { Watchdog } from '../watchdog.ts';
import { PixelStream } from './pixels.ts';
import { Recovery } from './recovery.ts';
import { endOf, type FrameLine, readLine } from './report.ts';

const KEPT_ERRORS = 8;
const CLOCK_MS = 250;

interface Written extends FrameLine {
  readonly time: StreamTime;
  /** When ffmpeg reported that it was decoded, by `monotonicMs`. */
  readonly reportedAt: number;
  readonly damaged: boolean;
  /** It arrived while the stream was being opened, at an unknown time. */
  readonly stale: boolean;
}

export interface ConversationOptions {
  /** Whether this ffmpeg writes frames in a new size when the camera changes it. */
  readonly followsSize: boolean;
  /** The scan type with which the command was started. */
  readonly scan: Scan;
  readonly firstImage: FirstImage;
}

/** Turns the output and the log of one ffmpeg process into frames until it fails. */
export class Conversation {
  /** Resolves with the reason for the end, or with the actual scan type if it differs from the one given to the command. */
  readonly failure: Promise<QcError | Scan>;
  readonly #context: SourceContext;
  readonly #followsSize: boolean;
  readonly #scan: Scan;
  readonly #firstImage: FirstImage;
  readonly #clock: StreamClock;
  readonly #watchdog: Watchdog;
  readonly #images: PixelStream<Written>;
  readonly #errors: string[] = [];
  #fail!: (reason: QcError | Scan) => void;
  readonly #startedAt = performance.now();
  #opened = false;
  #size: string | undefined;
  #codec: string | undefined;
  readonly #recovery = new Recovery();
  /** Times of the newest decoded frame: its output follows at once. */
  #decodedAt: Pick<Written, 'time' | 'reportedAt' | 'stale'> = {
    time: { capturedAt: 0, lagMs: 0, isBacklog: false },
    reportedAt: 0,
    stale: true,
  };
  #clockToldAt = 0;
  #over = false;

  constructor(context: SourceContext, { followsSize, scan, firstImage }: ConversationOptions) {
    this.#context = context;
    this.#followsSize = followsSize;
    this.#scan = scan;
    this.#firstImage = firstImage;
    this.#clock = new StreamClock(context.config.latencyMs);
    this.failure = new Promise((resolve) => {
      this.#fail = (reason) => {
        this.end();
        resolve(reason);
      };
    });
    this.#watchdog = new Watchdog(context.config.stallMs, (error) => this.#fail(firstImage.explain(error)));
    this.#images = new PixelStream((image, written) => this.#frame(image, written));
  }

  /** Starts watching for a stall. */
  start(): void {
    this.#watchdog.start();
  }

  pixels(chunk: Buffer): void {
    this.#images.push(chunk);
  }

  line(text: string): void {
    const line = this.#over ? undefined : readLine(text);
    if (!line) return;
    switch (line.kind) {
      case 'opened':
        this.#opened = true;
        this.#recovery.opened(performance.now());
        this.#watchdog.opened({ reportsData: false });
        return;
      case 'codec':
        // The output is described in the same format, after the input.
        if (this.#codec === undefined) this.#recovery.coded(line.codec);
        this.#codec ??= line.codec;
        return;
      case 'packet':
        this.#packet(line.pts);
        return;
      case 'damage':
        this.#suffer(line.damage, line.text);
        return;
      case 'decoded':
        this.#decoded(line);
        return;
      case 'written': {
        this.#images.expect({ ...line, ...this.#decodedAt, damaged: !this.#recovery.intact });
        return;
      }
      case 'frozen': {
        const { freezeMs } = this.#context.config;
        this.#fail(
          new QcError(
            'camera-frozen',
            `the image of the region has not changed for ${freezeMs} ms: it does not even contain new sensor noise`,
          ),
        );
        return;
      }
      case 'error':
        this.#errors.push(line.text);
        if (this.#errors.length > KEPT_ERRORS) this.#errors.shift();
        // Before the first image: data with which decoding cannot start.
        if (line.damage && !this.#size) this.#firstImage.packets(1);
        if (line.damage) this.#suffer(line.damage, line.text);
    }
  }

  /** Ends the conversation: later output of the process is discarded. */
  end(): void {
    this.#watchdog.stop();
    this.#over = true;
  }

  /** The process has exited. */
  ended(): void {
    const { stallMs } = this.#context.config;
    const { code, message } = endOf(this.#errors, {
      pictures: this.#size !== undefined,
      timedOut: !this.#opened && performance.now() - this.#startedAt >= stallMs,
    });
    this.#fail(this.#firstImage.explain(new QcError(code, message)));
  }

  #packet(pts: string): void {
    const now = performance.now();
    this.#recovery.packet(pts, now);
    const { damageMs = this.#context.config.damageMs } = this.#context;
    if (this.#recovery.damagedMs(now) < damageMs) return;
    this.#fail(new QcError('camera-corrupt', noKeyFrame(damageMs)));
  }

  #decoded({ width, height, key, pts, streamMs, firstField }: FrameLine): void {
    const reportedAt = monotonicMs();
    const stale = this.#recovery.opening(performance.now());
    if (stale) this.#decodedAt = { ...this.#decodedAt, stale };
    else this.#decodedAt = { time: this.#clock.at(streamMs, reportedAt), reportedAt, stale };
    if (this.#clock.failure) {
      this.#fail(this.#clock.failure);
      return;
    }
    if (reportedAt - this.#clockToldAt >= CLOCK_MS) this.#tellClock(reportedAt);
    this.#watchdog.image();
    this.#firstImage.image();
    this.#context.received(1);
    if (this.#scan === 'progressive' && (firstField || !this.#size)) {
      this.#context.condition?.('interlaced', firstField ? interlacedText(firstField === 'top') : '');
      if (firstField) {
        this.#fail(interlacedScan(this.#codec));
        return;
      }
    }
    const wasIntact = this.#recovery.intact;
    // The first intact image also ends the damage of an earlier attempt.
    if (this.#recovery.decoded(pts, key) && (!wasIntact || !this.#size))
      this.#context.condition?.('damaged', '');
    const frame = frameSize({ width, height }, this.#scan);
    const size = `${frame.width} × ${frame.height}`;
    if (this.#size !== size) {
      this.#context.described?.({ codec: this.#codec, ...frame });
      this.#checkRegion(frame);
    }
    if (this.#size && this.#size !== size) {
      const message = `the camera changed the size of its image; it is ${size} now`;
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

  #suffer(damage: Damage, sign: string): void {
    const now = performance.now();
    const wasDamaged = this.#recovery.isDamaged;
    if (damage === 'loss') {
      this.#recovery.lost(now);
      // A JPEG with a missing fragment is not assembled.
      if (this.#codec === 'MJPEG') this.#context.dropped('corrupt', 1);
    } else {
      // Images that are decoded while the stream is probed are decoded again later.
      if (!this.#opened) return;
      // Before the first image the decoder lacks earlier data, and outputs no image that needs it.
      if (damage === 'reference' && !this.#size) return;
      this.#recovery.damaged(now);
    }
    // The first message is the cause; later ones are consequences.
    if (!wasDamaged) this.#context.condition?.('damaged', damagedText(sign));
    this.#context.fault('camera-corrupt', 'damaged frames; they are not judged');
  }

  #frame(image: Image, { time, reportedAt, damaged, stale }: Written): void {
    if (this.#over || stale) return;
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
      times: { capturedAt, arrivedAt: reportedAt, decodedAt: reportedAt, takenAt: monotonicMs() },
      ...(isBacklog && { doubt: BACKLOG }),
      simulated: config.simulated,
    });
  }
}
