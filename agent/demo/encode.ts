/** Encodes RGB images like a camera: H.264, H.265 (node-av's x264 and x265) or JPEG (sharp). */
import {
  AV_CODEC_FLAG_CLOSED_GOP,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_STRING,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  AVERROR_EAGAIN,
  type AVPixelFormat,
  type FFEncoderCodec,
  SWS_BILINEAR,
} from 'node-av/constants';
import {
  Codec as AvCodec,
  CodecContext,
  FFmpegError,
  Frame,
  Packet,
  Rational,
  SoftwareScaleContext,
} from 'node-av/lib';
import sharp from 'sharp';
import type { Image } from '../../models/image.ts';
import type { Codec } from './rtsp/payload.ts';

export interface Encoder {
  /**
   * Encodes the next image, which must have the encoder's size; one at a time.
   * A forced key frame of the same pixels always decodes to the same pixels.
   */
  encode(image: Image, forceKey: boolean): Promise<{ data: Buffer; key: boolean }>;
}

export interface EncoderOptions {
  readonly codec: Codec;
  /** Even numbers, pixels. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

/** Opens an encoder without delay: every input image returns its encoded image. */
export async function openEncoder(options: EncoderOptions): Promise<Encoder & AsyncDisposable> {
  return options.codec === 'mjpeg' ? jpegEncoder() : videoEncoder(options, profiles[options.codec]);
}

function jpegEncoder(): Encoder & AsyncDisposable {
  return {
    async encode({ width, height, data }) {
      const jpeg = sharp(data, { raw: { width, height, channels: 3 } }).jpeg({
        quality: 90,
        // RFC 2435 supports neither optimised Huffman tables nor progressive scans.
        optimiseCoding: false,
        mozjpeg: false,
        chromaSubsampling: '4:2:0',
      });
      return { data: await jpeg.toBuffer(), key: true };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

// A constant quantiser: key frames of the same pixels are identical, which `freeze` needs.
const profiles = {
  h264: {
    name: 'libx264',
    options: { qp: '22', 'forced-idr': '1', 'x264-params': 'repeat-headers=1:scenecut=0:log=0' },
  },
  h265: {
    name: 'libx265',
    options: {
      'forced-idr': '1',
      'x265-params': 'qp=22:repeat-headers=1:scenecut=0:pools=none:frame-threads=1:log-level=none',
    },
  },
} as const;

function videoEncoder(
  { width, height, fps }: EncoderOptions,
  profile: (typeof profiles)['h264' | 'h265'],
): Encoder & AsyncDisposable {
  const codec = AvCodec.findEncoderByName(profile.name as FFEncoderCodec);
  if (!codec) throw new Error(`this build of node-av has no ${profile.name}`);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.width = width;
  context.height = height;
  context.pixelFormat = AV_PIX_FMT_YUV420P;
  context.timeBase = new Rational(1, 90_000);
  context.framerate = new Rational(Math.round(fps), 1);
  context.gopSize = Math.max(1, Math.round(fps));
  context.maxBFrames = 0;
  context.threadCount = 1;
  context.setFlags(AV_CODEC_FLAG_CLOSED_GOP);
  // Set on the context instead of a Dictionary, which node-av 6.1 frees twice.
  for (const [name, value] of Object.entries({
    preset: 'ultrafast',
    tune: 'zerolatency',
    ...profile.options,
  })) {
    check(context.setOption(name, value, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN), `${name}=${value}`);
  }
  check(context.open2Sync(codec), `opening ${profile.name}`);

  const scaler = new SoftwareScaleContext();
  scaler.getContext(width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P, SWS_BILINEAR);
  const rgb = pictureFrame(AV_PIX_FMT_RGB24, width, height);
  const yuv = pictureFrame(AV_PIX_FMT_YUV420P, width, height);
  const packet = new Packet();
  packet.alloc();
  let count = 0;

  return {
    async encode(image, forceKey) {
      check(yuv.makeWritable(), 'making the frame writable');
      check(
        rgb.fromBuffer(Buffer.from(image.data.buffer, image.data.byteOffset, image.data.length)),
        'filling',
      );
      check(scaler.scaleFrameSync(yuv, rgb), 'converting to YUV');
      yuv.pts = BigInt(Math.round((count++ * 90_000) / fps));
      yuv.pictType = forceKey ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
      check(context.sendFrameSync(yuv), 'encoding');
      const parts: Buffer[] = [];
      let key = false;
      for (;;) {
        const status = context.receivePacketSync(packet);
        if (status === AVERROR_EAGAIN) break;
        check(status, 'encoding');
        if (packet.data) parts.push(Buffer.from(packet.data));
        key ||= packet.isKeyframe;
        packet.unref();
      }
      return { data: Buffer.concat(parts), key };
    },
    async [Symbol.asyncDispose]() {
      packet.free();
      rgb.free();
      yuv.free();
      scaler.freeContext();
      context.freeContext();
    },
  };
}

/** An empty image of a pixel format. */
export function pictureFrame(format: AVPixelFormat, width: number, height: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = format;
  frame.width = width;
  frame.height = height;
  check(frame.getBuffer(), 'allocating a frame');
  return frame;
}

function check(status: number, what: string): void {
  FFmpegError.throwIfError(status, what);
}
