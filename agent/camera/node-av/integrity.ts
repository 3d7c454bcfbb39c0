import { QcError } from '../../../config/errors.ts';
import {
  damagedText,
  damageInPassing,
  damageWhileDecoding,
  damageWhileReading,
  noKeyFrame,
  suspectAfterLoss,
} from '../damage.ts';
import { readUnit } from './access-point.ts';
import type { Message } from './decoder-log.ts';

export interface IntegrityOptions {
  /** As people write it: `H.264`. */
  readonly codec: string;
  /** How long a damaged stream may go without a key frame, ms. */
  readonly damageMs: number;
  /** Empties the decoder: what it still holds is coded from damaged images. */
  readonly flush: () => void;
  /** Called when images are damaged from here on, and with an empty text when they are intact again. */
  readonly onDamaged: (text: string) => void;
}

/**
 * Keeps damaged images from being judged. An image is coded from earlier ones, so damage stays until the next point
 * where decoding can start: a key frame, or in H.264 a recovery point.
 *
 *     starting ──start──▸ decoding ──loss, damage──▸ damaged ──start──▸ decoding
 *
 * While `starting` or `damaged` the decoder gets nothing. After a start it is empty, so it gives no image before the
 * recovery is complete, and none that was coded from what came before.
 */
export class Integrity {
  readonly #options: IntegrityOptions;
  #decoding = false;
  /** Decoding has started, and the decoder has given no image yet. */
  #recovering = false;
  #suspect = 0;
  #damagedAt: number | undefined;

  constructor(options: IntegrityOptions) {
    this.#options = options;
  }

  /** Whether images are lost since something was damaged. */
  get damaged(): boolean {
    return this.#damagedAt !== undefined;
  }

  /** What FFmpeg said while it read the next packet. @returns how many images were lost that did not become packets */
  read(messages: readonly Message[]): number {
    const loss = messages.find(({ text }) => damageWhileReading(text));
    if (!loss) return 0;
    this.#damage(loss.text);
    this.#suspect = suspectAfterLoss(this.#options.codec);
    return this.#suspect === 0 ? 1 : 0;
  }

  /**
   * Whether the packet is to be decoded; an image that is not is lost.
   * @throws QcError camera-corrupt if a damaged stream had no start for too long
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
   * What came of a packet with an image. @returns whether the images it gave are intact
   * @param failed whether the decoder refused it, or marked an image as damaged
   */
  decoded(messages: readonly Message[], images: number, failed: boolean): boolean {
    const sign = messages.find(({ error, text }) => {
      const damage = error ? damageWhileDecoding(text) : damageInPassing(text);
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
