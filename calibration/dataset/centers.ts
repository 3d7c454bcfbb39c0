/** The location of a polygon or of the largest blob of a mask: its centre of gravity, or the nearest point inside. */

export interface Center {
  readonly x: number;
  readonly y: number;
  /** Extent of the polygon or blob. */
  readonly width: number;
  readonly height: number;
}

/** One channel, row by row; more than half of 255 is inside. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A row of pixels inside: columns from `start` to before `end`. */
interface Run {
  readonly y: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Centre of the largest blob, in fractions of the bitmap; undefined if there is none. Pixels that touch at corners are
 * connected.
 */
export function centerOfBlob(bitmap: Bitmap): Center | undefined {
  const { width, height } = bitmap;
  const runs = runsOf(bitmap);
  const blobs = blobsOf(runs);
  const areas = new Map<number, number>();
  for (const [i, { start, end }] of runs.entries())
    areas.set(blobs[i]!, (areas.get(blobs[i]!) ?? 0) + end - start);
  const [blob, most] = [...areas].reduce((a, b) => (b[1] > a[1] ? b : a), [-1, 0]);
  if (most === 0) return undefined;
  const largest = runs.filter((_, i) => blobs[i] === blob);
  let [sumX, sumY] = [0, 0];
  let [left, right] = [width, 0];
  for (const { y, start, end } of largest) {
    sumX += ((start + end) / 2) * (end - start);
    sumY += (y + 0.5) * (end - start);
    left = Math.min(left, start);
    right = Math.max(right, end);
  }
  const [x, y] = nearest(largest, sumX / most, sumY / most);
  const rows = largest.at(-1)!.y + 1 - largest[0]!.y;
  return { x: x / width, y: y / height, width: (right - left) / width, height: rows / height };
}

function runsOf({ width, height, data }: Bitmap): Run[] {
  const runs: Run[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x]! < 128) continue;
      const start = x;
      while (x < width && data[y * width + x]! >= 128) x++;
      runs.push({ y, start, end: x });
    }
  }
  return runs;
}

/** For each run, the index of the first run of its blob. */
function blobsOf(runs: readonly Run[]): number[] {
  const parents = runs.map((_, index) => index);
  const rootOf = (index: number): number => {
    let root = index;
    while (parents[root] !== root) root = parents[root]!;
    parents[index] = root;
    return root;
  };
  let above = 0;
  for (const [index, { y, start, end }] of runs.entries()) {
    while (runs[above]!.y < y - 1 || (runs[above]!.y === y - 1 && runs[above]!.end < start)) above++;
    for (let i = above; runs[i]!.y === y - 1 && runs[i]!.start <= end; i++) {
      const [a, b] = [rootOf(i), rootOf(index)];
      parents[Math.max(a, b)] = Math.min(a, b);
    }
  }
  return parents.map((_, index) => rootOf(index));
}

/** The middle of the nearest pixel, for a ring or an arc whose centre of gravity is outside of it. */
function nearest(runs: readonly Run[], x: number, y: number): [number, number] {
  const isInside = runs.some((run) => run.y === Math.floor(y) && run.start <= x && x < run.end);
  if (isInside) return [x, y];
  let best: [number, number] = [x, y];
  let least = Number.POSITIVE_INFINITY;
  for (const run of runs) {
    const px = Math.min(Math.max(x, run.start + 0.5), run.end - 0.5);
    const distance = (px - x) ** 2 + (run.y + 0.5 - y) ** 2;
    if (distance < least) [best, least] = [[px, run.y + 0.5], distance];
  }
  return best;
}

/** In the unit of the points. Even-odd rule; for crossing lines, the middle of the bounding box. */
export function centerOfPolygon(points: readonly (readonly [number, number])[]): Center {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, top] = [least(xs), least(ys)];
  const [width, height] = [-least(xs.map((x) => -x)) - left, -least(ys.map((y) => -y)) - top];
  let [area, sumX, sumY] = [0, 0, 0];
  for (const [i, [x0, y0]] of points.entries()) {
    const [x1, y1] = points[(i + 1) % points.length]!;
    const cross = (x0 - left) * (y1 - top) - (x1 - left) * (y0 - top);
    area += cross;
    sumX += (x0 + x1 - 2 * left) * cross;
    sumY += (y0 + y1 - 2 * top) * cross;
  }
  const y = area === 0 ? Number.NaN : top + sumY / (3 * area);
  const middle = { x: left + width / 2, y: top + height / 2, width, height };
  const spans = spansAt(points, y);
  if (spans.length === 0) return middle;
  const x = left + sumX / (3 * area);
  if (spans.some(([from, to]) => from <= x && x <= to)) return { ...middle, x, y };
  const [from, to] = spans.reduce((widest, one) => (one[1] - one[0] > widest[1] - widest[0] ? one : widest));
  return { ...middle, x: (from + to) / 2, y };
}

const least = (values: readonly number[]) =>
  values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

/** The parts of a horizontal line that are inside. */
function spansAt(points: readonly (readonly [number, number])[], y: number): [number, number][] {
  const crossings = points
    .flatMap(([x0, y0], i) => {
      const [x1, y1] = points[(i + 1) % points.length]!;
      return y0 <= y !== y1 <= y ? [x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)] : [];
    })
    .sort((a, b) => a - b);
  return Array.from({ length: Math.floor(crossings.length / 2) }, (_, i) => [
    crossings[2 * i]!,
    crossings[2 * i + 1]!,
  ]);
}
