/** Locates defects: a head's map of deviations → boxes on the camera's frame, and a description for the operator. Pure. */
import type { Region } from './image.ts';
import { inFrame } from './prepare/region.ts';
import type { WhereMap } from './run/messages.ts';
import type { Decision, Rules } from './verdict.ts';

/** A location on the camera's frame, in fractions of the frame, origin at the top left. */
export interface Place extends Region {
  /** Peak, in standard deviations of ordinary cells. */
  readonly score: number;
  /** The defect; null if the cells only differ from good parts. */
  readonly label: string | null;
}

export interface Located {
  /** In descending order of their score; empty for a part that passes. */
  readonly places: readonly Place[];
  /** Position and size of the first one, for the operator; absent without locations. */
  readonly words?: string;
}

/** Maximum number of boxes of a result. */
const maxPlaces = 5;
/** Cells with at least this share of the highest value belong to a box. */
const shareOfPeak = 0.5;

/**
 * @param map of the frame that is kept as evidence
 * @param isUnfamiliar whether the part differs from all labelled parts, so that no label applies
 * @param region that was cut out of that frame; default: the whole frame
 */
export function locate(
  map: WhereMap | undefined,
  { verdict, label }: Pick<Decision, 'verdict' | 'label'>,
  { where: least, good }: Rules,
  isUnfamiliar: boolean,
  region: Region = { x: 0, y: 0, width: 1, height: 1 },
): Located {
  if (!map || least === undefined || verdict === 'pass') return { places: [] };
  const defect = label === null || good.includes(label) || isUnfamiliar ? null : label;
  const boxes = boxesIn(map, least);
  const [first] = boxes;
  if (!first) return { places: [] };
  return {
    places: boxes.map((box) => ({ ...onFrame(box, region), label: defect })),
    words: wordsFor(first, defect),
  };
}

interface Box extends Region {
  readonly score: number;
}

/**
 * Bounding boxes of connected cells (8-connectivity) with at least half of the highest value of the map.
 * @param least minimum peak of a box
 * @returns boxes in fractions of the image, in descending order of their peak
 */
export function boxesIn({ data, height, width }: WhereMap, least: number): Box[] {
  const peak = data.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!(Number.isFinite(peak) && peak >= least && peak > 0)) return [];
  const left = new Set(Array.from(data.keys()).filter((p) => data[p]! >= shareOfPeak * peak));
  const boxes: Box[] = [];
  for (const start of left) {
    left.delete(start);
    let [top, bottom, first, last, score] = [height, 0, width, 0, 0];
    const open = [start];
    for (let p = open.pop(); p !== undefined; p = open.pop()) {
      const [y, x] = [Math.floor(p / width), p % width];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      [first, last] = [Math.min(first, x), Math.max(last, x)];
      score = Math.max(score, data[p]!);
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          if (left.delete(v * width + u)) open.push(v * width + u);
        }
      }
    }
    if (score < least) continue;
    const size = { width: (last + 1 - first) / width, height: (bottom + 1 - top) / height };
    boxes.push({ x: first / width, y: top / height, ...size, score });
  }
  return boxes.sort((a, b) => b.score - a.score).slice(0, maxPlaces);
}

function onFrame({ x, y, width, height, score }: Box, region: Region): Box {
  const [from, to] = [inFrame({ x, y }, region), inFrame({ x: x + width, y: y + height }, region)];
  const [left, top] = [rounded(from.x), rounded(from.y)];
  return {
    x: left,
    y: top,
    width: rounded(Math.min(1, to.x) - left),
    height: rounded(Math.min(1, to.y) - top),
    score: Number(score.toFixed(2)),
  };
}

const rounded = (fraction: number) => Number(fraction.toFixed(4));

const columns = ['left', '', 'right'];
const rows = ['upper', '', 'lower'];

/** "scratch at the upper left, about 2 % of the image" */
function wordsFor({ x, y, width, height }: Box, defect: string | null): string {
  const third = (middle: number) => Math.min(2, Math.floor(3 * middle));
  const [row, column] = [rows[third(y + height / 2)]!, columns[third(x + width / 2)]!];
  const share = 100 * width * height;
  const size = share < 1 ? 'less than 1 %' : `about ${Math.round(share)} %`;
  return `${defect ?? 'different from good parts'} ${placeWords(row, column)}, ${size} of the image`;
}

function placeWords(row: string, column: string): string {
  if (row && column) return `at the ${row} ${column}`;
  if (column) return `on the ${column}`;
  if (row) return row === 'upper' ? 'at the top' : 'at the bottom';
  return 'in the middle';
}
