/** A plane of 8-bit samples as a decoder leaves it in memory: rows of `stride` bytes, `width` of them image. */
export interface Plane {
  readonly data: Uint8Array;
  readonly stride: number;
  readonly width: number;
  readonly height: number;
}

const ROWS = 4;
const COLUMNS = 16;

/**
 * A cheap fingerprint of an image: every 4th row, every 16th sample, starting at a place that moves with the
 * row, so that all columns are met (FNV-1a's mixing). A living sensor's noise changes it with every frame.
 */
export function fingerprint({ data, stride, width, height }: Plane): number {
  let hash = 0x811c9dc5;
  for (let y = 0; y < height; y += ROWS) {
    const row = y * stride;
    for (let x = ((y / ROWS) * 5) % COLUMNS; x < width; x += COLUMNS) {
      hash = Math.imul(hash ^ data[row + x]!, 0x01000193);
    }
  }
  return hash;
}

/** Notices an image that stands still: the same fingerprint for `freezeMs`; 0 = never. */
export class FreezeWatch {
  readonly #freezeMs: number;
  #last: number | undefined;
  #sinceMs = 0;

  constructor(freezeMs: number) {
    this.#freezeMs = freezeMs;
  }

  /** Whether the image has stood still for too long, at this monotonic time, ms. */
  frozen(plane: Plane, nowMs: number): boolean {
    if (this.#freezeMs === 0) return false;
    const print = fingerprint(plane);
    if (print !== this.#last) {
      this.#last = print;
      this.#sinceMs = nowMs;
      return false;
    }
    return nowMs - this.#sinceMs >= this.#freezeMs;
  }
}
