import { QcError } from '../../../config/errors.ts';
import {
  damagedText,
  damageInWarning,
  damageWhileDecoding,
  damageWhileReading,
  noKeyFrame,
  suspectAfterLoss,
} from '../damage.ts';
import { readUnit } from './access-point.ts';
import type { Message } from './decoder-log.ts';

export interface IntegrityOptions {
  /** Display name: `H.264`. */
  readonly codec: string;
  /** How long a damaged stream may go without a key frame, ms. */
  readonly damageMs: number;
  /** Flushes the decoder: the images in it depend on damaged images. */
  readonly flush: () => void;
  /** Called when images start to be damaged, and with an empty text when they are intact again. */
  readonly onDamaged: (text: string) => void;
}

/**
 * Prevents damaged images from being judged. An image depends on earlier ones, so damage lasts until the next point where
 * decoding can start: a key frame, or in H.264 a recovery point.
 *
 *     starting ──start──▸ decoding ──loss, damage──▸ damaged ──start──▸ decoding
 *
 * While `starting` or `damaged` the decoder gets no data. After a start it is empty, so it outputs no image before the
 * recovery is complete, and none that depends on earlier data.
 */
export class Integrity {
  readonly #options: IntegrityOptions;
  #decoding = false;
  /** Decoding has started, and the decoder has output no image yet. */
  #recovering = false;
  #suspect = 0;
  #damagedAt: number | undefined;

  constructor(options: IntegrityOptions) {
    this.#options = options;
  }

  /** Whether images are being discarded because of damage. */
  get damaged(): boolean {
    return this.#damagedAt !== undefined;
  }

  /**
   * Takes FFmpeg's messages from reading the next packet. @returns the number of lost images that did not become packets
   */
  read(messages: readonly Message[]): number {
    const loss = messages.find(({ text }) => damageWhileReading(text));
    if (!loss) return 0;
    this.#damage(loss.text);
    this.#suspect = suspectAfterLoss(this.#options.codec);
    return this.#suspect === 0 ? 1 : 0;
  }

  /**
   * Whether to decode the packet; an image that is not decoded is lost.
   * @throws QcError camera-corrupt if no decodable start arrived for too long after damage
   */
  admit(data: Buffer | null): { decode: boolean; picture: boolean } {
    const { damageMs, codec } = this.#options;
    if (this.#damagedAt !== undefined && performance.now() - this.#damagedAt >= damageMs) {
      throw new QcError('camera-corrupt', noKeyFrame(damageMs));
    }
    const { picture, start } = readUnit(codec, data);
    if (!picture) return { decode: true, picture };
    if (this.#suspect > 0) {
      this.#suspect--;
      return { decode: false, picture };
    }
    if (!this.#decoding && start) {
      this.#decoding = true;
      this.#recovering = true;
    }
    return { decode: this.#decoding, picture };
  }

  /**
   * Takes the result of decoding a packet with an image. @returns whether its images are intact
   * @param failed whether the decoder rejected it, or marked an image as damaged
   */
  decoded(messages: readonly Message[], images: number, failed: boolean): boolean {
    const sign = messages.find(({ error, text }) => {
      const damage = error ? damageWhileDecoding(text) : damageInWarning(text);
      return damage === 'data' || (damage === 'reference' && !this.#recovering);
    });
    if (failed || sign) {
      this.#damage(sign?.text);
      return false;
    }
    if (images === 0) return true;
    this.#recovering = false;
    if (this.#damagedAt !== undefined) this.#options.onDamaged('');
    this.#damagedAt = undefined;
    return true;
  }

  #damage(sign?: string): void {
    if (this.#decoding) this.#options.flush();
    this.#decoding = false;
    if (this.#damagedAt === undefined) {
      this.#damagedAt = performance.now();
      this.#options.onDamaged(damagedText(sign));
    }
  }
}
