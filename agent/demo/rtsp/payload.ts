/** The codecs of the server, and its encoded images. */
import { h264 } from './h264.ts';
import { h265 } from './h265.ts';
import { jpeg } from './jpeg.ts';
import type { PayloadFormat } from './rtp.ts';

export const codecs = ['h264', 'h265', 'mjpeg'] as const;
export type Codec = (typeof codecs)[number];

export const payloadFormats: Readonly<Record<Codec, PayloadFormat>> = { h264, h265, mjpeg: jpeg };

export interface EncodedPicture {
  /** Annex B byte stream with parameter sets before every key frame; or one JFIF file. */
  readonly data: Buffer;
  /** Whether it can be decoded without earlier images. */
  readonly key: boolean;
  /** When the simulated shutter closed, ms since the epoch. */
  readonly capturedAt: number;
}
