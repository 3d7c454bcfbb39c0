/** The codecs the server can send, and the encoded images it sends. */
import { h264 } from './h264.ts';
import { h265 } from './h265.ts';
import { jpeg } from './jpeg.ts';
import type { PayloadFormat } from './rtp.ts';

export const codecs = ['h264', 'h265', 'mjpeg'] as const;
export type Codec = (typeof codecs)[number];

export const payloadFormats: Readonly<Record<Codec, PayloadFormat>> = { h264, h265, mjpeg: jpeg };

export interface EncodedPicture {
  /** Annex B byte stream, parameter sets before every key frame; or one JFIF file. */
  readonly data: Buffer;
  /** Can be decoded without any image before it. */
  readonly key: boolean;
  /** When the pretend shutter closed, ms since the epoch. */
  readonly capturedAt: number;
}
