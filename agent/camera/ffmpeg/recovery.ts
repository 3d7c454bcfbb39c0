import { suspectAfterLoss } from '../damage.ts';

/** More packets than a decoder can delay. */
const REMEMBERED = 64;
/** Packets that were read while the stream was opened are decoded within this time afterwards, ms. */
const OPENING_MS = 500;

/**
 * Tracks which images of one ffmpeg process are damaged. ffmpeg can read ahead of its decoder, and the decoder can delay
 * images. So a key frame ends the damage only if its packet (found by its timestamp) was read after the damage was
 * reported.
 */
export class Recovery {
  #codec: string | undefined;
  #packets = 0;
  readonly #numbers = new Map<string, number>();
  /** Number of the first packet whose key frame ends the damage; undefined while images are intact. */
  #from: number | undefined;
  #since: number | undefined;
  #openedAt: number | undefined;
  #lostWhileOpening = false;

  /**
   * The codec is known. The H.264 decoder outputs no image before a key frame or the end of a recovery. The H.265 decoder
   * does, so its first images count as damaged.
   */
  coded(codec: string): void {
    this.#codec = codec;
    if (codec === 'H.265') this.#from ??= 1;
  }

  opened(nowMs: number): void {
    this.#openedAt = nowMs;
  }

  /** Whether images can still arrive from the time when the stream was opened, whose arrival time is unknown. */
  opening(nowMs: number): boolean {
    return this.#openedAt === undefined || nowMs - this.#openedAt < OPENING_MS;
  }

  /** A packet of the video was read. @param pts its timestamp, as ffmpeg writes it */
  packet(pts: string, nowMs: number): void {
    this.#packets++;
    if (!this.#numbers.has(pts)) this.#numbers.set(pts, this.#packets);
    if (this.#numbers.size > REMEMBERED) this.#numbers.delete(this.#numbers.keys().next().value!);
    if (this.#lostWhileOpening && this.opening(nowMs)) this.#wait(1);
  }

  /** Packets were lost before the next one that is read. */
  lost(nowMs: number): void {
    if (this.opening(nowMs)) this.#lostWhileOpening = true;
    this.#since ??= nowMs;
    this.#wait(1 + suspectAfterLoss(this.#codec));
  }

  /** The decoder could not decode what was read. */
  damaged(nowMs: number): void {
    this.#since ??= nowMs;
    this.#wait(1);
  }

  /** An image was decoded. @returns whether it is intact */
  decoded(pts: string, key: boolean): boolean {
    const number = this.#numbers.get(pts);
    this.#numbers.delete(pts);
    if (this.#from === undefined) return true;
    // A JPEG needs no other image.
    if (!(key || this.#codec === 'MJPEG') || number === undefined || number < this.#from) return false;
    this.#from = undefined;
    this.#since = undefined;
    return true;
  }

  get intact(): boolean {
    return this.#from === undefined;
  }

  get isDamaged(): boolean {
    return this.#since !== undefined;
  }

  /** How long images have been damaged, ms; 0 if they are not. */
  damagedMs(nowMs: number): number {
    return this.#since === undefined ? 0 : nowMs - this.#since;
  }

  #wait(packets: number): void {
    this.#from = Math.max(this.#from ?? 0, this.#packets + packets);
  }
}
