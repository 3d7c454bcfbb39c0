import {
  AV_CODEC_FLAG_QSCALE,
  AV_CODEC_ID_MJPEG,
  AV_PIX_FMT_YUVJ420P,
  FF_QP2LAMBDA,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, type Frame, Packet, Rational } from 'node-av/lib';
import type { Region } from '../../../models/image.ts';
import { AIM_FPS, aimSize } from '../aim.ts';
import { figuresOf } from '../figures.ts';
import { regionPixels, type Size } from '../geometry.ts';
import { frameSize, type Scan, usedSize } from '../interlaced.ts';
import { RateLimiter } from '../rate.ts';
import { type Chain, openChain } from './chain.ts';
import type { AimMessage } from './messages.ts';

/** Quantizer of the JPEGs, 2 (best) to 31. */
const QUANTIZER = 5;
/** JFIF (ITU-T T.871): BT.601 in full range. */
const JFIF = 'flags=bilinear:out_color_matrix=bt601:out_range=full';

/** Encodes frames for aiming in the decoding process, one at a time: the next one only when the agent took the last. */
export class AimEncoder implements Disposable {
  readonly #limiter = new RateLimiter(AIM_FPS);
  #tools: Tools | undefined;
  #unacknowledged = false;

  /** The frame as a message, if one is due. @param capturedAt by `monotonicMs` @throws QcError camera-region */
  take(frame: Frame, scan: Scan, region: Region, capturedAt: number): AimMessage | undefined {
    if (!this.#limiter.take(capturedAt) || this.#unacknowledged) return undefined;
    if (!this.#tools?.fits(frame, scan, region)) {
      // If opening fails, the old ones must not be freed a second time.
      this[Symbol.dispose]();
      this.#tools = openTools(frame, scan, region);
    }
    const { whole, size, jpeg, figures } = this.#tools;
    this.#unacknowledged = true;
    return {
      kind: 'aim',
      jpeg: jpeg(frame),
      size,
      frame: whole,
      region,
      figures: figures(frame),
      capturedAt,
    };
  }

  /** The agent took one. */
  taken(): void {
    this.#unacknowledged = false;
  }

  [Symbol.dispose](): void {
    this.#tools?.[Symbol.dispose]();
    this.#tools = undefined;
  }
}

interface Tools extends Disposable {
  /** Sizes of the camera's image and of the JPEG. */
  readonly whole: Size;
  readonly size: Size;
  fits(frame: Frame, scan: Scan, region: Region): boolean;
  jpeg(frame: Frame): Buffer;
  figures(frame: Frame): AimMessage['figures'];
}

function openTools(like: Frame, scan: Scan, region: Region): Tools {
  const { width, height, format, colorRange, colorSpace } = like;
  const whole = frameSize(like, scan);
  const used = usedSize(like, scan);
  const size = aimSize(whole);
  const area = regionPixels(region, used, true);
  const picture = openChain(like, {
    scan,
    area: { x: 0, y: 0, ...used },
    size,
    steps: [{ format: 'yuvj420p', scale: JFIF }],
  });
  let luma: Chain | undefined;
  let encoder: CodecContext;
  try {
    // Neither scaled nor smoothed: blur must show.
    luma = openChain(like, { scan, area, size: area, steps: [{ format: 'gray', scale: JFIF }] });
    encoder = openEncoder(size);
  } catch (error) {
    for (const chain of [picture, luma]) chain?.[Symbol.dispose]();
    throw error;
  }
  const gray = luma;
  const packet = new Packet();
  packet.alloc();
  return {
    whole,
    size,
    fits: (frame, wanted, wantedRegion) =>
      wanted === scan &&
      wantedRegion === region &&
      frame.width === width &&
      frame.height === height &&
      frame.format === format &&
      frame.colorRange === colorRange &&
      frame.colorSpace === colorSpace,
    jpeg: (frame) => picture.run(frame, (filtered) => encoded(encoder, filtered, packet)),
    figures: (frame) =>
      gray.run(frame, (plane) => {
        const data = plane.data![0]!;
        return figuresOf({
          data,
          width: plane.width,
          height: plane.height,
          step: 1,
          stride: plane.linesize[0]!,
        });
      }),
    [Symbol.dispose]() {
      for (const chain of [picture, gray]) chain[Symbol.dispose]();
      encoder.freeContext();
      packet.free();
    },
  };
}

function openEncoder({ width, height }: Size): CodecContext {
  const codec = Codec.findEncoder(AV_CODEC_ID_MJPEG);
  if (!codec) throw new Error('FFmpeg has no JPEG encoder');
  const encoder = new CodecContext();
  encoder.allocContext3(codec);
  Object.assign(encoder, { width, height, timeBase: new Rational(1, AIM_FPS), threadCount: 1 });
  encoder.pixelFormat = AV_PIX_FMT_YUVJ420P;
  encoder.setFlags(AV_CODEC_FLAG_QSCALE);
  encoder.globalQuality = QUANTIZER * FF_QP2LAMBDA;
  FFmpegError.throwIfError(encoder.open2Sync(codec), 'opening the JPEG encoder');
  return encoder;
}

function encoded(encoder: CodecContext, frame: Frame, packet: Packet): Buffer {
  frame.quality = QUANTIZER * FF_QP2LAMBDA;
  FFmpegError.throwIfError(encoder.sendFrameSync(frame), 'encoding a JPEG');
  FFmpegError.throwIfError(encoder.receivePacketSync(packet), 'encoding a JPEG');
  const jpeg = Buffer.from(packet.data!);
  packet.unref();
  return jpeg;
}
