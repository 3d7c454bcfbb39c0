import type { Region } from '../../models/image.ts';

/** The region that is cut from a camera's image; it can change while frames arrive. */
export class LiveRegion {
  #value: Region;
  readonly #listeners = new Set<() => void>();

  constructor(value: Region) {
    this.#value = value;
  }

  get value(): Region {
    return this.#value;
  }

  set value(region: Region) {
    if (sameRegion(region, this.#value)) return;
    this.#value = region;
    for (const listener of this.#listeners) listener();
  }

  /** Called for every change until the handle is disposed of. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}

export function sameRegion(a: Region, b: Region): boolean {
  return a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
}
