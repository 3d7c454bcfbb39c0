import { AV_FRAME_FLAG_CORRUPT, AVERROR_EAGAIN, AVERROR_EOF } from 'node-av/constants';
import { FFmpegError, Frame, Packet } from 'node-av/lib';
import { QcError } from '../../../config/errors.ts';
import type { Region } from '../../../models/image.ts';
import { monotonicMs } from '../../../models/monotonic.ts';
import { BACKLOG } from '../clock.ts';
import { FreezeWatch, type Plane } from '../freeze.ts';
import { regionPixels } from '../geometry.ts';
import { Thinner } from '../rate.ts';
import { CaptureTime } from './capture-time.ts';
import { type Cutter, openCutter } from './cutter.ts';
import { readingFailure } from './failure.ts';
import type { FromChild, OpenMessage } from './messages.ts';
import { Outlet } from './outlet.ts';
import { type OpenStream, openStream } from './stream.ts';

/** Damage spreads from frame to frame until the next key frame, or for this long where none comes, ms. */
const DAMAGE_MS = 5_000;
const PROGRESS_MS = 100;
const CLOCK_MS = 250;

/** Reads one stream to its end: decodes every frame, checks it, and hands over those that are wanted. */
export class Reader {
  readonly #open: OpenMessage;
  readonly #send: (message: FromChild) => void;
  readonly #outlet: Outlet;
  readonly #thinner: Thinner;
  readonly #freeze: FreezeWatch;
  #tally = { packets: 0, received: 0, corrupt: 0, busy: 0 };
  #toldAt = 0;
  #clockToldAt = performance.now();
  #watched: boolean;
  #region: Region;
  #cutter: Cutter | undefined;
  #codec: string | undefined;
  #damagedUntil = 0;
  #download: Frame | undefined;

  constructor(open: OpenMessage, send: (message: FromChild) => void) {
    this.#open = open;
    this.#send = send;
    this.#watched = open.watched;
    this.#region = open.config.region;
    this.#outlet = new Outlet(send, () => this.#tally.busy++);
    this.#thinner = new Thinner(open.fps);
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

  /** Reads until the stream ends and says why it did. @throws QcError when it does not open, freezes … */
  async read(): Promise<QcError> {
    const stream = await openStream(this.#open);
    this.#send({ kind: 'opened' });
    this.#codec = stream.codec;
    if (stream.hardwareFault) {
      this.#send({ kind: 'fault', code: 'camera-hardware', message: stream.hardwareFault });
    }
    const time = new CaptureTime(this.#open.config, stream.video.timeBase, this.#open.reference);
    const packet = new Packet();
    packet.alloc();
    const frame = new Frame();
    frame.alloc();
    for (;;) {
      const read = await stream.input.readFrame(packet);
      if (read < 0 && read !== AVERROR_EAGAIN) {
        this.#tellProgress();
        return readingFailure(read, '');
      }
      if (read >= 0 && packet.streamIndex === stream.video.index) {
        this.#decode(stream, packet, frame, time);
      }
      packet.unref();
      if (performance.now() - this.#toldAt >= PROGRESS_MS) this.#tellProgress();
      if (performance.now() - this.#clockToldAt >= CLOCK_MS) this.#tellClock(time);
    }
  }

  #decode({ decoder }: OpenStream, packet: Packet, frame: Frame, time: CaptureTime): void {
    const arrivalMs = monotonicMs();
    this.#tally.packets++;
    time.note(packet);
    // A damaged packet is the decoder's everyday life: it says so, and the next one may be good.
    if (decoder.sendPacketSync(packet) < 0) this.#damaged();
    for (;;) {
      const got = decoder.receiveFrameSync(frame);
      if (got === AVERROR_EAGAIN || got === AVERROR_EOF) return;
      if (got < 0) {
        this.#damaged();
        return;
      }
      this.#tally.received++;
      this.#look(frame, time, arrivalMs);
      frame.unref();
    }
  }

  #look(decoded: Frame, time: CaptureTime, arrivalMs: number): void {
    if (this.#isDamaged(decoded)) return;
    const { pts } = decoded;
    const frame = decoded.isHwFrame() ? this.#downloaded(decoded) : decoded;
    const luma = frame.data?.[0];
    const stride = frame.linesize[0];
    if (luma && stride) {
      if (this.#freeze.frozen(this.#regionOf(luma, stride, frame), arrivalMs)) {
        throw new QcError(
          'camera-frozen',
          `the image of the region has not changed for ${this.#open.config.freezeMs} ms, not even by noise`,
        );
      }
    }
    const { capturedAt, isBacklog } = time.at(pts, arrivalMs);
    if (!this.#thinner.take(time.streamMs(pts) ?? arrivalMs)) return;
    const cutter = this.#cutterFor(frame);
    const image = cutter.cut(frame);
    this.#outlet.put({
      image,
      region: this.#region,
      ...(this.#watched ? { preview: cutter.preview(frame) } : {}),
      ...(isBacklog && { doubt: BACKLOG }),
      times: { capturedAt, arrivedAt: arrivalMs, decodedAt: monotonicMs() },
    });
  }

  /** The region's brightness: a clock in the corner of the picture changes even if the camera hangs. */
  #regionOf(luma: Buffer, stride: number, { width, height }: Frame): Plane {
    const area = regionPixels(this.#region, { width, height }, false);
    const data = luma.subarray(area.y * stride + area.x);
    return { data, stride, width: area.width, height: area.height };
  }

  #cutterFor(frame: Frame): Cutter {
    const previous = this.#cutter;
    if (previous?.fits(frame)) return previous;
    previous?.[Symbol.dispose]();
    this.#send({ kind: 'described', codec: this.#codec, width: frame.width, height: frame.height });
    this.#cutter = openCutter(frame, this.#region);
    if (previous) {
      const message = `the camera changed its picture; it is ${frame.width} × ${frame.height} now`;
      this.#send({ kind: 'fault', code: 'camera-resolution-changed', message });
    }
    return this.#cutter;
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

  #isDamaged(frame: Frame): boolean {
    if (frame.decodeErrorFlags !== 0 || frame.hasFlags(AV_FRAME_FLAG_CORRUPT)) {
      this.#damaged();
      return true;
    }
    if (frame.keyFrame) this.#damagedUntil = 0;
    if (performance.now() >= this.#damagedUntil) return false;
    this.#tally.corrupt++;
    return true;
  }

  #damaged(): void {
    this.#tally.corrupt++;
    this.#damagedUntil = performance.now() + DAMAGE_MS;
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
