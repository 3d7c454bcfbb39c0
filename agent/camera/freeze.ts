/** A plane of 8-bit samples in a decoder's memory: rows of `stride` bytes, of which `width` are image. */
export interface Plane {
  readonly data: Uint8Array;
  readonly stride: number;
  readonly width: number;
  readonly height: number;
}

const ROWS = 4;
const COLUMNS = 16;

/**
 * A cheap fingerprint of an image: every 16th sample of every 4th row, with an offset that changes from row to row, so that
 * all columns are sampled (mixed as in FNV-1a). The noise of a working sensor changes it with every frame.
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

/** Detects a frozen image: the same fingerprint for `freezeMs`; 0 = never. */
export class FreezeWatch {
  readonly #freezeMs: number;
  #last: number | undefined;
  #sinceMs = 0;

  constructor(freezeMs: number) {
    this.#freezeMs = freezeMs;
  }

  /** @param nowMs monotonic. @returns whether the image has been frozen for too long */
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
