import type { Frame, Image } from '../../models/image.ts';
import type { Foreground } from './background.ts';

/** How well a frame shows its part. */
export interface View {
  readonly frame: Frame;
  /** Sharpness × completeness × centrality; comparable within one part only. */
  readonly quality: number;
  /** The part does not touch the rim of the region, so all of it is visible. */
  readonly whole: boolean;
}

/** A pixel on the rim may be noise. */
const RIM_NOISE = 1;

/** Rates how well a frame shows the object in front of the background. */
export function rate(frame: Frame, { width, height, mask, share }: Foreground): View {
  let count = 0;
  let sumX = 0;
  let sumY = 0;
  let onRim = 0;
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!mask[at]) continue;
      count++;
      sumX += x;
      sumY += y;
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) onRim++;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  if (count === 0) return { frame, quality: 0, whole: false };
  const awayX = (sumX / count + 0.5) / width - 0.5;
  const awayY = (sumY / count + 0.5) / height - 0.5;
  const central = 1 - Math.min(1, Math.hypot(awayX, awayY));
  const whole = onRim <= RIM_NOISE;
  // Partial views are ordered by visible size and cut, always after whole ones.
  const complete = whole ? 1 : (0.02 * share * Math.sqrt(count)) / (Math.sqrt(count) + onRim);
  const { image } = frame;
  const scaleX = image.width / width;
  const scaleY = image.height / height;
  const sharp = sharpness(image, left * scaleX, top * scaleY, (right + 1) * scaleX, (bottom + 1) * scaleY);
  return { frame, quality: sharp * complete * central, whole };
}

/**
 * Mean gradient energy of the green channel in a box of the image, pixels (Tenenbaum's focus measure with simple
 * differences). The result is above 0, so that views of a part without texture still have an order.
 */
function sharpness({ width, height, data }: Image, x0: number, y0: number, x1: number, y1: number): number {
  const [left, top] = [Math.floor(x0), Math.floor(y0)];
  const [right, bottom] = [Math.min(width - 1, Math.ceil(x1)), Math.min(height - 1, Math.ceil(y1))];
  // At most about 128 x 128 samples, however large the image.
  const step = Math.max(1, Math.floor(Math.max(right - left, bottom - top) / 128));
  let energy = 0;
  let samples = 0;
  for (let y = top; y < bottom; y += step) {
    for (let x = left; x < right; x += step) {
      const at = (y * width + x) * 3 + 1;
      const dx = data[at + 3]! - data[at]!;
      const dy = data[at + width * 3]! - data[at]!;
      energy += dx * dx + dy * dy;
      samples++;
    }
  }
  return 1 + (samples > 0 ? energy / samples : 0);
}

/** The best views of one part: as many as vote, however long the part stays. */
export class BestViews {
  readonly #most: number;
  #views: View[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(view: View): void {
    this.#views.push(view);
    this.#views.sort((a, b) => b.quality - a.quality);
    this.#views.length = Math.min(this.#views.length, this.#most);
  }

  get best(): View | undefined {
    return this.#views[0];
  }

  /** Whether there are as many whole views as votes. */
  get complete(): boolean {
    return this.#views.length === this.#most && this.#views.every(({ whole }) => whole);
  }

  /** The frames that vote, in order of capture: if there are whole views, only those. */
  get frames(): Frame[] {
    const whole = this.#views.filter((view) => view.whole);
    return (whole.length > 0 ? whole : this.#views)
      .map(({ frame }) => frame)
      .sort((a, b) => a.times.capturedAt - b.times.capturedAt);
  }
}
