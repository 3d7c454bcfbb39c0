/** Decodes encoded images, so that samples contain the loss by compression. */
import {
  AV_CODEC_FLAG_LOW_DELAY,
  AV_CODEC_ID_H264,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  AVERROR_EAGAIN,
  SWS_BILINEAR,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, SoftwareScaleContext } from 'node-av/lib';
import type { Image } from '../../models/image.ts';
import { pictureFrame } from './encode.ts';

export interface Decoder {
  /** Decodes the next H.264 image of the stream. */
  decode(data: Buffer): Image;
}

/** Opens an H.264 decoder for images of one size. */
export function openDecoder(width: number, height: number): Decoder & AsyncDisposable {
  const codec = Codec.findDecoder(AV_CODEC_ID_H264);
  if (!codec) throw new Error('this build of node-av decodes no H.264');
  const context = new CodecContext();
  context.allocContext3(codec);
  context.threadCount = 1;
  context.setFlags(AV_CODEC_FLAG_LOW_DELAY);
  FFmpegError.throwIfError(context.open2Sync(codec), 'opening the decoder');
  const scaler = new SoftwareScaleContext();
  scaler.getContext(width, height, AV_PIX_FMT_YUV420P, width, height, AV_PIX_FMT_RGB24, SWS_BILINEAR);
  const rgb = pictureFrame(AV_PIX_FMT_RGB24, width, height);
  const yuv = new Frame();
  yuv.alloc();
  const packet = new Packet();
  packet.alloc();

  return {
    decode(data) {
      packet.data = data;
      FFmpegError.throwIfError(context.sendPacketSync(packet), 'decoding');
      packet.unref();
      const status = context.receiveFrameSync(yuv);
      if (status === AVERROR_EAGAIN) throw new Error('the decoder did not output an image');
      FFmpegError.throwIfError(status, 'decoding');
      FFmpegError.throwIfError(scaler.scaleFrameSync(rgb, yuv), 'converting to RGB');
      yuv.unref();
      return { width, height, data: rgb.toBuffer() };
    },
    async [Symbol.asyncDispose]() {
      packet.free();
      yuv.free();
      rgb.free();
      scaler.freeContext();
      context.freeContext();
    },
  };
}
