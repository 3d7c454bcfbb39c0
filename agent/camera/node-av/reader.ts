import {
  AV_FRAME_FLAG_CORRUPT,
  AV_FRAME_FLAG_INTERLACED,
  AV_FRAME_FLAG_TOP_FIELD_FIRST,
  AVERROR_EAGAIN,
  AVERROR_EOF,
} from 'node-av/constants';
import { type CodecContext, FFmpegError, Frame, Packet } from 'node-av/lib';
import { QcError } from '../../../config/errors.ts';
import type { Region } from '../../../models/image.ts';
import { monotonicMs } from '../../../models/run/monotonic.ts';
import { BACKLOG } from '../clock.ts';
import { FreezeWatch, type Plane } from '../freeze.ts';
import { regionPixels } from '../geometry.ts';
import { frameSize, interlacedScan, interlacedText, type Scan } from '../interlaced.ts';
import { RateLimiter } from '../rate.ts';
import { AimEncoder } from './aim-encoder.ts';
import { CaptureTime } from './capture-time.ts';
import { type Cutter, openCutter } from './cutter.ts';
import { DecoderLog } from './decoder-log.ts';
import { readingFailure } from './failure.ts';
import { Integrity } from './integrity.ts';
import type { FromChild, OpenMessage } from './messages.ts';
import { Outlet } from './outlet.ts';
import { type OpenStream, openStream } from './stream.ts';

const PROGRESS_MS = 100;
const CLOCK_MS = 250;

/** Reads one stream to its end: decodes and checks every frame, and delivers the wanted ones. */
export class Reader {
  readonly #open: OpenMessage;
  readonly #send: (message: FromChild) => void;
  readonly #outlet: Outlet;
  readonly #thinner: RateLimiter;
  readonly #freeze: FreezeWatch;
  #tally = { packets: 0, received: 0, corrupt: 0, busy: 0 };
  #toldAt = 0;
  #clockToldAt = performance.now();
  #watched: boolean;
  #region: Region;
  #cutter: Cutter | undefined;
  /**
   * Unknown before the first frame. Some cameras mix progressive and interlaced frames, so after the first interlaced frame
   * the stream counts as interlaced.
   */
  #scan: Scan | undefined;
  #codec: string | undefined;
  readonly #log = new DecoderLog();
  #download: Frame | undefined;
  #aim: AimEncoder | undefined;

  constructor(open: OpenMessage, send: (message: FromChild) => void) {
    this.#open = open;
    this.#send = send;
    this.#watched = open.watched;
    this.aim(open.aim);
    this.#region = open.config.region;
    this.#outlet = new Outlet(send, () => this.#tally.busy++);
    this.#thinner = new RateLimiter(open.fps);
    this.#freeze = new FreezeWatch(open.config.freezeMs);
  }

  /** The agent took a frame. */
  taken(watched: boolean): void {
    this.#watched = watched;
    this.#outlet.taken();
  }

  /** Another region is cut from the next frame on. */
  recut(region: Region): void {
    this.#region = region;
    this.#cutter?.[Symbol.dispose]();
    this.#cutter = undefined;
  }

  /** Whether to send images for aiming. */
  aim(on: boolean): void {
    if (on) {
      this.#aim ??= new AimEncoder();
      return;
    }
    this.#aim?.[Symbol.dispose]();
    this.#aim = undefined;
  }

  /** The agent took an image for aiming. */
  aimTaken(): void {
    this.#aim?.taken();
  }

  /** Reads until the stream ends. @returns why it ended. @throws QcError if it does not open, freezes … */
  async read(): Promise<QcError> {
    const stream = await openStream(this.#open);
    this.#send({ kind: 'opened' });
    this.#codec = stream.codec;
    if (stream.hardwareFault) {
      this.#send({ kind: 'fault', code: 'camera-hardware', message: stream.hardwareFault });
    }
    const time = new CaptureTime(this.#open.config, stream.video.timeBase, this.#open.reference);
    const integrity = new Integrity({
      codec: stream.codec,
      damageMs: this.#open.damageMs,
      flush: () => stream.decoder.flushBuffers(),
      onDamaged: (text) => this.#send({ kind: 'condition', condition: 'damaged', text }),
    });
    this.#log.listen();
    const packet = new Packet();
    packet.alloc();
    for (;;) {
      const read = await stream.input.readFrame(packet);
      if (read < 0 && read !== AVERROR_EAGAIN) {
        this.#tellProgress();
        return readingFailure(read, '');
      }
      if (read >= 0 && packet.streamIndex === stream.video.index) {
        this.#lost(integrity.read(await this.#log.messages()));
        await this.#take(packet, stream, integrity, time);
      }
      packet.unref();
      if (performance.now() - this.#toldAt >= PROGRESS_MS) this.#tellProgress();
      if (performance.now() - this.#clockToldAt >= CLOCK_MS) this.#tellClock(time);
    }
  }

  async #take(
    packet: Packet,
    { decoder }: OpenStream,
    integrity: Integrity,
    time: CaptureTime,
  ): Promise<void> {
    const arrivalMs = monotonicMs();
    this.#tally.packets++;
    time.note(packet);
    const { decode, picture } = integrity.admit(packet.data);
    if (!decode) {
      if (integrity.damaged) this.#lost(1);
      return;
    }
    const frames: Frame[] = [];
    try {
      const failed = decodeInto(frames, decoder, packet);
      // The decoder reports concealed errors only in its log, possibly after it has output the image.
      const messages = await this.#log.messages();
      if (!picture) return;
      if (integrity.decoded(messages, frames.length, failed)) {
        this.#tally.received += frames.length;
        for (const frame of frames) this.#look(frame, time, arrivalMs);
      } else {
        this.#lost(Math.max(1, frames.length));
      }
    } finally {
      for (const frame of frames) frame.free();
    }
  }

  #look(decoded: Frame, time: CaptureTime, arrivalMs: number): void {
    const { pts } = decoded;
    const frame = decoded.isHwFrame() ? this.#downloaded(decoded) : decoded;
    const luma = frame.data?.[0];
    const stride = frame.linesize[0];
    if (luma && stride) {
      if (this.#freeze.frozen(this.#regionOf(luma, stride, frame), arrivalMs)) {
        throw new QcError(
          'camera-frozen',
          `the image of the region has not changed for ${this.#open.config.freezeMs} ms: it does not even contain new sensor noise`,
        );
      }
    }
    const { capturedAt, isBacklog } = time.at(pts, arrivalMs);
    const scan = this.#lookForFields(frame);
    // The lower fields would show every part half a row higher.
    if (scan === 'fields' && !frame.hasFlags(AV_FRAME_FLAG_TOP_FIELD_FIRST)) return;
    // After the frame that is judged: it must not wait.
    if (this.#thinner.take(capturedAt)) this.#cut(frame, scan, { capturedAt, arrivalMs, isBacklog });
    this.#show(frame, scan, capturedAt);
  }

  /** Sends an image for aiming; its errors do not concern the inspection. */
  #show(frame: Frame, scan: Scan, capturedAt: number): void {
    try {
      const shown = this.#aim?.take(frame, scan, this.#region, capturedAt);
      if (shown) this.#send(shown);
    } catch (error) {
      this.aim(false);
      this.#send({ kind: 'aim-failed', message: error instanceof Error ? error.message : String(error) });
    }
  }

  #cut(
    frame: Frame,
    scan: Scan,
    { capturedAt, arrivalMs, isBacklog }: { capturedAt: number; arrivalMs: number; isBacklog: boolean },
  ): void {
    const cutter = this.#cutterFor(frame, scan);
    const image = cutter.cut(frame);
    this.#outlet.put({
      image,
      region: this.#region,
      ...(this.#watched ? { preview: cutter.preview(frame) } : {}),
      ...(isBacklog && { doubt: BACKLOG }),
      times: { capturedAt, arrivedAt: arrivalMs, decodedAt: monotonicMs() },
    });
  }

  /** Luma of the region only: a clock in the corner of the image can change although the sensor is frozen. */
  #regionOf(luma: Buffer, stride: number, { width, height }: Frame): Plane {
    const area = regionPixels(this.#region, { width, height }, false);
    const data = luma.subarray(area.y * stride + area.x);
    return { data, stride, width: area.width, height: area.height };
  }

  #cutterFor(frame: Frame, scan: Scan): Cutter {
    const previous = this.#cutter;
    if (previous?.fits(frame, scan)) return previous;
    previous?.[Symbol.dispose]();
    const size = frameSize(frame, scan);
    this.#send({ kind: 'described', codec: this.#codec, ...size });
    this.#cutter = openCutter(
      frame,
      { region: this.#region, shorterSide: this.#open.config.shorterSide },
      scan,
    );
    if (previous && !previous.sized(frame)) {
      const message = `the camera changed the size of its image; it is ${size.width} × ${size.height} now`;
      this.#send({ kind: 'fault', code: 'camera-resolution-changed', message });
    }
    return this.#cutter;
  }

  #lookForFields(frame: Frame): Scan {
    const isKnown = this.#scan === 'woven' || this.#scan === 'fields';
    if (isKnown) return this.#scan!;
    const isInterlaced = frame.hasFlags(AV_FRAME_FLAG_INTERLACED);
    const scan = isInterlaced ? interlacedScan(this.#codec) : 'progressive';
    if (scan !== this.#scan) {
      const text = isInterlaced ? interlacedText(frame.hasFlags(AV_FRAME_FLAG_TOP_FIELD_FIRST)) : '';
      this.#send({ kind: 'condition', condition: 'interlaced', text });
    }
    this.#scan = scan;
    return scan;
  }

  #downloaded(frame: Frame): Frame {
    if (!this.#download) {
      this.#download = new Frame();
      this.#download.alloc();
    }
    this.#download.unref();
    FFmpegError.throwIfError(
      frame.hwframeTransferDataSync(this.#download, 0),
      'fetching a frame from the GPU',
    );
    this.#download.copyProps(frame);
    return this.#download;
  }

  /** Frames arrived that are not judged. */
  #lost(frames: number): void {
    this.#tally.received += frames;
    this.#tally.corrupt += frames;
  }

  #tellClock(time: CaptureTime): void {
    this.#clockToldAt = performance.now();
    this.#send({ kind: 'clock', ...time.report });
  }

  #tellProgress(): void {
    this.#toldAt = performance.now();
    this.#send({ kind: 'progress', ...this.#tally });
    this.#tally = { packets: 0, received: 0, corrupt: 0, busy: 0 };
  }
}

/** Decodes a packet. @returns whether the decoder rejected it, or marked an image as damaged */
function decodeInto(frames: Frame[], decoder: CodecContext, packet: Packet): boolean {
  let failed = decoder.sendPacketSync(packet) < 0;
  for (;;) {
    const frame = new Frame();
    frame.alloc();
    const got = decoder.receiveFrameSync(frame);
    if (got < 0) {
      frame.free();
      return failed || (got !== AVERROR_EAGAIN && got !== AVERROR_EOF);
    }
    failed ||= frame.decodeErrorFlags !== 0 || frame.hasFlags(AV_FRAME_FLAG_CORRUPT);
    frames.push(frame);
  }
}
