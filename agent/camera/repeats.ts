import { createHash } from 'node:crypto';
import type { Frame, Image, Region } from '../../models/image.ts';
import type { SetCondition } from './condition.ts';
import { sameRegion } from './live-region.ts';

/** Number of remembered images: some seconds, so that a recorder that repeats its last images is detected as well. */
const REMEMBERED = 100;

/** A hash: equal for identical pixels only. */
function printOf({ data, width, height }: Image): string {
  return `${width}x${height}-${createHash('sha1').update(data).digest('base64url')}`;
}

/**
 * Detects images of the region that repeat bit by bit: sensor noise never repeats, so the camera, a recorder or a proxy
 * sends an old image. Outlives the connection. Pixels outside the region do not count.
 */
export class Repeats {
  readonly #freezeMs: number;
  readonly #condition: SetCondition;
  /** When each image first arrived, by `monotonicMs`; least recently seen first. */
  readonly #seen = new Map<string, number>();
  #newAt: number | undefined;
  #frozen = false;
  #newest: string | undefined;
  /** The newest frame: its region, whether its image was seen before, and when it was first seen. */
  #last: { region: Region | undefined; repeated: boolean; firstSeenAt: number } | undefined;

  /** @param freezeMs the camera is frozen if no new image arrives for this long; 0: never */
  constructor(freezeMs: number, condition: SetCondition) {
    this.#freezeMs = freezeMs;
    this.#condition = condition;
  }

  /** Hash of the image of the newest frame. */
  get newest(): string | undefined {
    return this.#newest;
  }

  /** Hash and first arrival of this frame's image; nothing for a frame from a file, since files repeat by design. */
  observe({ image, source, times, region }: Frame): Pick<Frame, 'print' | 'firstSeenAt'> {
    if (source !== undefined) return {};
    const print = printOf(image);
    const before = this.#seen.get(print);
    const firstSeenAt = before ?? this.#frozenBeforeRegionChange(region) ?? times.capturedAt;
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

  /** Arrival time of an image that was frozen before the region changed; undefined if it was not frozen. */
  #frozenBeforeRegionChange(region: Region | undefined): number | undefined {
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
        ? `the image of the region has not changed for ${this.#freezeMs} ms, not even by noise: restart the camera, or the recorder or proxy that relays its stream`
        : '',
    );
  }
}
