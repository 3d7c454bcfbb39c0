import { createHash } from 'node:crypto';
import type { Frame, Image, Region } from '../../models/image.ts';
import type { SetCondition } from './condition.ts';
import { sameRegion } from './live-region.ts';

/** Images that are remembered: some seconds, so that a recorder that repeats its last images is noticed as well. */
const REMEMBERED = 100;

/** The same for the same pixels, to the last bit, and for no others. */
function printOf({ data, width, height }: Image): string {
  return `${width}x${height}-${createHash('sha1').update(data).digest('base64url')}`;
}

/**
 * Notices images of the region that come again, bit by bit: a sensor's noise never repeats, so the camera, a recorder or a
 * proxy sends an old image. Outlives the connection. What lies outside the region does not count.
 */
export class Repeats {
  readonly #freezeMs: number;
  readonly #condition: SetCondition;
  /** When each image came first, by `monotonicMs`; least recently seen first. */
  readonly #seen = new Map<string, number>();
  #newAt: number | undefined;
  #frozen = false;
  #newest: string | undefined;
  /** Of the newest frame: its region, whether its image came before, and when it came first. */
  #last: { region: Region | undefined; repeated: boolean; firstSeenAt: number } | undefined;

  /** @param freezeMs the camera is frozen when no new image came for so long; 0: never */
  constructor(freezeMs: number, condition: SetCondition) {
    this.#freezeMs = freezeMs;
    this.#condition = condition;
  }

  /** Print of the newest frame. */
  get newest(): string | undefined {
    return this.#newest;
  }

  /** What is known of this frame's image. Files repeat by nature: nothing, for a frame that comes from one. */
  see({ image, source, times, region }: Frame): Pick<Frame, 'print' | 'firstSeenAt'> {
    if (source !== undefined) return {};
    const print = printOf(image);
    const before = this.#seen.get(print);
    const firstSeenAt = before ?? this.#unseen(region) ?? times.capturedAt;
    this.#seen.delete(print);
    this.#seen.set(print, firstSeenAt);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    this.#newest = print;
    const repeated = firstSeenAt < times.capturedAt;
    this.#last = { region, repeated, firstSeenAt };
    if (!repeated || this.#newAt === undefined) this.#newAt = times.takenAt;
    this.#watch(times.takenAt - this.#newAt);
    return { print, firstSeenAt };
  }

  /** Since when an image was there that another region shows first now; undefined if nothing stood still before. */
  #unseen(region: Region | undefined): number | undefined {
    const last = this.#last;
    if (!last?.repeated || !region || !last.region || sameRegion(region, last.region)) return undefined;
    return last.firstSeenAt;
  }

  #watch(sinceMs: number): void {
    const frozen = this.#freezeMs > 0 && sinceMs >= this.#freezeMs;
    if (frozen === this.#frozen) return;
    this.#frozen = frozen;
    this.#condition(
      'frozen',
      frozen
        ? `the image of the region has not changed for ${this.#freezeMs} ms, not even by noise: restart the camera, or what relays its stream`
        : '',
    );
  }
}
