/** Images of the whole frame for people who aim a camera: made only while somebody watches, and never judged. */
import type { Region } from '../../models/image.ts';
import type { Figures } from './figures.ts';
import type { Size } from './geometry.ts';

/** Frames per second for a person who turns a lens. */
export const AIM_FPS = 15;
/** Widest image, pixels. */
const AIM_WIDTH = 960;

export interface AimImage {
  readonly jpeg: Uint8Array;
  /** Size of the JPEG. */
  readonly size: Size;
  /** Size of the camera's image. */
  readonly frame: Size;
  /** Where the figures were measured. */
  readonly region: Region;
  readonly figures: Figures;
  /** Milliseconds since the epoch. */
  readonly capturedAt: number;
}

export type AimViewer = (image: AimImage) => void;

/** The viewers of one camera. Sources read `on` and call `deliver`. */
export class Aim {
  readonly #viewers = new Set<AimViewer>();
  readonly #listeners = new Set<() => void>();
  /** Why there are no images although frames arrive; empty if there are. */
  problem = '';

  get on(): boolean {
    return this.#viewers.size > 0;
  }

  /** Makes images until the handle is disposed of. */
  watch(viewer: AimViewer): Disposable {
    this.#viewers.add(viewer);
    if (this.#viewers.size === 1) this.#changed();
    return {
      [Symbol.dispose]: () => {
        if (this.#viewers.delete(viewer) && !this.on) this.#changed();
      },
    };
  }

  /** Called when the first viewer comes and when the last one goes, until the handle is disposed of. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  deliver(image: AimImage): void {
    this.problem = '';
    for (const viewer of this.#viewers) viewer(image);
  }

  #changed(): void {
    this.problem = '';
    for (const listener of this.#listeners) listener();
  }
}

const even = (n: number) => Math.max(2, 2 * Math.round(n / 2));

/** The size in which a frame is shown, at most 960 wide. */
export function aimSize({ width, height }: Size): Size {
  const scale = Math.min(1, AIM_WIDTH / width);
  return { width: even(width * scale), height: even(height * scale) };
}
