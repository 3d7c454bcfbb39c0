/** Finds marks far from all others of their label. Pure. */
import { median } from '../models/median.ts';
import type { Place } from './dataset/marks.ts';
import type { Finding } from './finding.ts';

export interface PlacedFrame {
  readonly id: string;
  readonly label: string;
  readonly places: readonly Place[];
}

/** Minimum number of marked frames for a common place. */
const minFrames = 10;
/** A label has a common place if this share of its marks is within `maxSpread` of their median, as a share of the image. */
const commonShare = 0.9;
const maxSpread = 0.06;
const minDistance = 0.3;

/**
 * Some defects are always at one place of the part, such as a missing screw: a mark far from it contradicts the label. Labels whose defects may be
 * anywhere have no such place and are not reported.
 */
export function strayMarks(placed: readonly PlacedFrame[]): Finding[] {
  return [...new Set(placed.map(({ label }) => label))].sort().flatMap((label) => {
    const frames = placed.filter((one) => one.label === label && one.places.length > 0);
    if (frames.length < minFrames) return [];
    const places = frames.flatMap((one) => one.places);
    const middle = { x: median(places.map(({ x }) => x)), y: median(places.map(({ y }) => y)) };
    const distance = ({ x, y }: Place) => Math.hypot(x - middle.x, y - middle.y);
    const spread = places.map(distance).sort((a, b) => a - b)[Math.floor(commonShare * places.length)]!;
    const far = frames.filter((one) => one.places.some((place) => distance(place) > minDistance));
    if (spread > maxSpread || far.length === 0) return [];
    return {
      kind: 'mark-elsewhere',
      severity: 'hint',
      text: `${far.length === 1 ? '1 frame' : `${far.length} frames`} of ${label} marked far from where all others of it are marked`,
      remedy: 'check the mark and the label',
      frames: far.map(({ id }) => id),
    };
  });
}
