/** Augmentation for inspection: orientations of a part, and changes of camera and light. */
import type { Image } from '../../models/image.ts';
import { blurImage } from '../dataset/imaging.ts';

/** Sets of orientations; view 0 is the unchanged image. */
export const viewSets = {
  none: [0],
  /** Mirrored, upside down, and both (half a turn). */
  flips: [0, 1, 2, 3],
  /** Flips and quarter turns: the eight symmetries of the square. */
  turns: [0, 1, 2, 3, 4, 5, 6, 7],
} as const;
export type ViewSet = keyof typeof viewSets;

/** Other augmentations; each has its own views of the image in its original orientation. */
export const augmentations = {
  /** Darker and lighter by a quarter, as lamps age. */
  light: [8, 9],
  /** Slightly out of focus. */
  blur: [10],
  /** Slightly larger, and off centre. */
  crop: [11, 12],
  /** Rotated by 4 degrees in both directions. */
  rotate: [13, 14],
} as const;
export type Augmentation = keyof typeof augmentations;

/** Views of a set of orientations and of augmentations; the first is always the unchanged image. */
export const viewsOf = (set: ViewSet, augment: readonly Augmentation[]): number[] => [
  ...viewSets[set],
  ...augment.flatMap((name) => augmentations[name]),
];

const lightGamma = 1.25;
const cropped = 0.92;
const rotationDegrees = 4;

/** Computes view 0 to 14 of an image. */
export async function viewOf(image: Image, view: number): Promise<Image> {
  if (view < 8) return symmetry(image, view);
  switch (view) {
    case 8:
      return lit(image, lightGamma);
    case 9:
      return lit(image, 1 / lightGamma);
    case 10:
      return blurred(image);
    case 11:
      return sampled(image, (x, y) => [x * cropped, y * cropped]);
    case 12:
      return sampled(image, (x, y) => [1 - (1 - x) * cropped, 1 - (1 - y) * cropped]);
    default:
      return rotated(image, rotationOf(view));
  }
}

export interface ImagePoint {
  readonly x: number;
  readonly y: number;
}

/**
 * Maps a point of an image to one of its views; both in fractions.
 * @returns undefined if the view does not show it
 */
export function pointInView(
  { x, y }: ImagePoint,
  { width, height }: Pick<Image, 'width' | 'height'>,
  view: number,
): ImagePoint | undefined {
  if (view < 8) {
    const [u, v] = [view & 1 ? 1 - x : x, view & 2 ? 1 - y : y];
    return view & 4 ? { x: v, y: u } : { x: u, y: v };
  }
  switch (view) {
    case 11:
      return within({ x: x / cropped, y: y / cropped });
    case 12:
      return within({ x: 1 - (1 - x) / cropped, y: 1 - (1 - y) / cropped });
    case 13:
    case 14: {
      const [sin, cos] = rotationOf(view);
      const [dx, dy] = [(x - 0.5) * width, (y - 0.5) * height];
      return within({ x: 0.5 + (cos * dx + sin * dy) / width, y: 0.5 + (cos * dy - sin * dx) / height });
    }
    default:
      return { x, y };
  }
}

const within = (point: ImagePoint) =>
  point.x >= 0 && point.x <= 1 && point.y >= 0 && point.y <= 1 ? point : undefined;

/** View 0 to 7: bit 0 mirrors, bit 1 flips vertically, bit 2 swaps rows and columns. */
function symmetry(image: Image, view: number): Image {
  if (view === 0) return image;
  const { width, height, data } = image;
  const swapped = (view & 4) !== 0;
  const wide = swapped ? height : width;
  const high = swapped ? width : height;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const column = swapped ? y : x;
      const row = swapped ? x : y;
      const fromX = view & 1 ? width - 1 - column : column;
      const fromY = view & 2 ? height - 1 - row : row;
      const from = (fromY * width + fromX) * 3;
      const to = (y * wide + x) * 3;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { width: wide, height: high, data: out };
}

function lit({ width, height, data }: Image, gamma: number): Image {
  const table = Uint8Array.from({ length: 256 }, (_, value) => Math.round(255 * (value / 255) ** gamma));
  return { width, height, data: Uint8Array.from(data, (value) => table[value]!) };
}

/** Gaussian blur with a standard deviation of 1/200 of the shorter side: barely noticeable defocus. */
function blurred(image: Image): Promise<Image> {
  return blurImage(image, Math.max(0.8, Math.min(image.width, image.height) / 200));
}

/** Sine and cosine of the rotation of view 13 or 14. */
function rotationOf(view: number): readonly [number, number] {
  const angle = ((view === 13 ? rotationDegrees : -rotationDegrees) * Math.PI) / 180;
  return [Math.sin(angle), Math.cos(angle)];
}

function rotated(image: Image, [sin, cos]: readonly [number, number]): Image {
  const { width, height } = image;
  return sampled(image, (x, y) => {
    const [dx, dy] = [(x - 0.5) * width, (y - 0.5) * height];
    return [0.5 + (cos * dx - sin * dy) / width, 0.5 + (sin * dx + cos * dy) / height];
  });
}

/** Bilinear, with edge pixels repeated beyond the edge. @param from maps a point of the result, 0 to 1, to the source */
function sampled(image: Image, from: (x: number, y: number) => readonly [number, number]): Image {
  const { width, height, data } = image;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = from((x + 0.5) / width, (y + 0.5) / height);
      const sx = Math.min(width - 1, Math.max(0, u * width - 0.5));
      const sy = Math.min(height - 1, Math.max(0, v * height - 0.5));
      const [x0, y0] = [Math.floor(sx), Math.floor(sy)];
      const [x1, y1] = [Math.min(width - 1, x0 + 1), Math.min(height - 1, y0 + 1)];
      const [fx, fy] = [sx - x0, sy - y0];
      for (let c = 0; c < 3; c++) {
        const top = data[(y0 * width + x0) * 3 + c]! * (1 - fx) + data[(y0 * width + x1) * 3 + c]! * fx;
        const bottom = data[(y1 * width + x0) * 3 + c]! * (1 - fx) + data[(y1 * width + x1) * 3 + c]! * fx;
        out[(y * width + x) * 3 + c] = Math.round(top * (1 - fy) + bottom * fy);
      }
    }
  }
  return { width, height, data: out };
}
