/** Finds signs of damage in FFmpeg's messages. They are the only sign of a lost packet that its decoder conceals. */

/**
 * - `loss`: packets are missing, so the images from here on may be damaged.
 * - `data`: the received data cannot be decoded correctly.
 * - `reference`: an image or a parameter set that others need is missing; expected while decoding starts between two key
 *   frames.
 */
export type Damage = 'loss' | 'data' | 'reference';

const LOSS =
  /^RTP: missed \d+ packets|^RTP: PT=\S+ bad cseq|too short data for|missing packets|got bad \w+ packet/i;
const REFERENCE =
  /missing reference|reference (picture|frame|count)|could not find ref|num gap|co located pocs|short term buffer|duplicate poc|non-existing [sp]ps|decode_slice_header error|^error while decoding stream|error submitting packet to decoder/i;
/** Messages about text, timing or colour metadata, or about consequences of a missing image that was already reported. */
const HARMLESS =
  /\bSEI\b|\bsei_|\bVUI\b|\bHRD\b|APP\d|APP fields|comment|deprecated pixel format|mmco: unref short|missing picture in access unit|no frame!|buffering period|picture_timing|Increasing reorder|AVOption/i;

/** Classifies a message of the demuxer; undefined if it is not about damage. */
export function damageWhileReading(text: string): Damage | undefined {
  return LOSS.test(text) ? 'loss' : undefined;
}

/** Classifies a message of the decoder below the level of an error; undefined if it is not about damage. */
export function damageInWarning(text: string): Damage | undefined {
  if (/^concealing \d+ DC/.test(text)) return 'data';
  return /^frame num gap/i.test(text) ? 'reference' : undefined;
}

/** Classifies an error message of the decoder; undefined if it does not affect the image. */
export function damageWhileDecoding(text: string): Damage | undefined {
  if (HARMLESS.test(text)) return undefined;
  return REFERENCE.test(text) ? 'reference' : 'data';
}

/** @param sign FFmpeg's message; its numbers are removed, so that the same fault has the same text */
export function damagedText(sign = 'errors were concealed'): string {
  const kind = sign.replace(/[-+]?\d+/g, 'n').slice(0, 80);
  return `images are damaged (${kind}); none is judged until the next key frame`;
}

export function noKeyFrame(waitedMs: number): string {
  return `no key frame within ${waitedMs / 1000} s after damage; the stream is reopened to get one`;
}

/**
 * After a loss, this many of the following images can lack data: the end of one, or the beginning of the next. A lost
 * fragment of a JPEG affects only that image, which is discarded when it is assembled.
 */
export const suspectAfterLoss = (codec: string | undefined) => (codec === 'MJPEG' ? 0 : 2);

/** The stream is reopened at growing intervals, up to this one, ms. */
const MAX_MS = 60_000;
/** An attempt that lasts this many times its wait resets the interval. */
const HEALTHY = 10;

/**
 * How long a damaged stream may go without a key frame before it is reopened, which makes the camera send one. If loss
 * continues and key frames are rare, the wait doubles with each attempt.
 */
export class DamagePatience {
  readonly #firstMs: number;
  #waitMs: number;
  #startedAt = 0;

  constructor(firstMs: number) {
    this.#firstMs = firstMs;
    this.#waitMs = firstMs;
  }

  /** An attempt starts. @returns how long it may wait for a key frame, ms */
  start(nowMs: number): number {
    this.#startedAt = nowMs;
    return this.#waitMs;
  }

  /** The attempt was ended because no key frame came. */
  reopened(nowMs: number): void {
    const healthy = nowMs - this.#startedAt >= HEALTHY * this.#waitMs;
    this.#waitMs = healthy ? this.#firstMs : Math.min(Math.max(MAX_MS, this.#firstMs), this.#waitMs * 2);
  }
}
