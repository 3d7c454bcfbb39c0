/** Locations of defects in views of an image. */
import { type Cells, type Spot, spotAt } from '../../models/cells.ts';
import type { Image } from '../../models/image.ts';
import { type ImagePoint, pointInView } from './views.ts';

/** √cells at a location, [C], bilinear. @param cells windowed */
export function rootsAt({ data, channels, height, width }: Cells, place: ImagePoint): Float32Array {
  const { row, column, columns, weights } = spotAt({ height, width }, place);
  const size = height * width;
  const roots = new Float32Array(channels);
  weights.forEach((weight, i) => {
    const p = (row + Math.floor(i / columns)) * width + column + (i % columns);
    for (let c = 0; c < channels; c++) roots[c]! += weight * Math.sqrt(data[c * size + p]!);
  });
  return roots;
}

/** The cells of a view at a location of the image. */
export function spotInView(
  cells: Pick<Cells, 'height' | 'width'>,
  place: ImagePoint,
  image: Pick<Image, 'width' | 'height'>,
  view: number,
): Spot {
  return spotAt(cells, pointInView(place, image, view) ?? place);
}

/** Undefined for an empty list. */
export function centreOf(places: readonly ImagePoint[]): ImagePoint | undefined {
  if (places.length === 0) return undefined;
  const mean = (of: (place: ImagePoint) => number) =>
    places.reduce((sum, place) => sum + of(place), 0) / places.length;
  return { x: mean(({ x }) => x), y: mean(({ y }) => y) };
}

/** Root mean square distance from the centre, in cells. */
export function spreadOf(
  places: readonly ImagePoint[],
  { height, width }: Pick<Cells, 'height' | 'width'>,
): number {
  const centre = centreOf(places);
  if (!centre) return 0;
  const squares = places.map(({ x, y }) => ((x - centre.x) * width) ** 2 + ((y - centre.y) * height) ** 2);
  return Math.sqrt(squares.reduce((a, b) => a + b) / places.length);
}
