/** Finds labelled frames whose marks are missing or contradict the label. */
import type { AnnotationIndex } from './dataset/annotations.ts';
import type { LabelledFrame } from './dataset/frame.ts';
import { type Place, placeOf } from './dataset/marks.ts';
import type { Shape } from './dataset/shapes.ts';
import type { Finding } from './finding.ts';
import { type PlacedFrame, strayMarks } from './stray-marks.ts';
import { enoughMarked, maxWanted } from './train/marks-wanted.ts';

/** Cross-validated recall below which marks help. */
const goodRecall = 0.9;

export interface MarkedFrames {
  readonly frames: readonly LabelledFrame[];
  readonly annotations: AnnotationIndex;
  readonly good: readonly string[];
  /** By id: the cross-validated result, and the probability of its own label; empty without a cross-validation. */
  readonly results: ReadonlyMap<string, { readonly isMissed: boolean; readonly own: number }>;
}

/** @throws the reason of `signal` */
export async function markFindings(
  { frames, annotations, good, results }: MarkedFrames,
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  const used = new Set(frames.map(({ label }) => label));
  const onGood: string[] = [];
  const outside: string[] = [];
  const others: string[] = [];
  const placed: PlacedFrame[] = [];
  for (const { id, label } of frames) {
    signal?.throwIfAborted();
    const annotation = annotations.ids.has(id) ? await annotations.read(id) : undefined;
    const defects = annotation?.shapes.filter((shape) => !good.includes(shape.label)) ?? [];
    if (defects.length === 0) continue;
    if (good.includes(label)) onGood.push(id);
    // A label that was renamed since is not in use any more.
    else if (
      !defects.some((shape) => shape.label === label) &&
      defects.some((shape) => used.has(shape.label))
    )
      others.push(id);
    if (await someOutside(defects)) outside.push(id);
    else if (!good.includes(label)) placed.push({ id, label, places: await drawnPlaces(defects) });
  }
  return [
    ...say('warning', 'marks-on-good', onGood, {
      text: `a defect is marked on ${counted(onGood.length, 'good part')}`,
      remedy: 'give it the label of the defect, or remove the marks (Gallery: Open, Mark defects)',
    }),
    ...say('warning', 'mark-outside', outside, {
      text: `${counted(outside.length, 'frame')} with a mark at the edge of the image or with no area`,
      remedy: 'mark the defect again, or remove the mark (Gallery: Open, Mark defects)',
    }),
    ...say('hint', 'marks-of-another-label', others, {
      text: `${counted(others.length, 'frame')} with marks of another label only`,
      remedy: 'check the label; new marks have the label of the frame',
    }),
    ...strayMarks(placed),
    ...unmarked(frames, annotations, good, results),
  ];
}

/** Whether a shape is outside of the image: imported shapes were clipped to its edge. */
async function someOutside(shapes: readonly Shape[]): Promise<boolean> {
  for (const shape of shapes) {
    // A mask always covers the image, and decoding thousands of them takes minutes.
    if (shape.kind === 'mask') continue;
    const place = await placeOf(shape);
    if (!place) return true;
    const { x, y, width, height } = place;
    const isAtEdge = x <= 0 || x >= 1 || y <= 0 || y >= 1;
    if (isAtEdge || (shape.kind !== 'point' && (width === 0 || height === 0))) return true;
  }
  return false;
}

/** Places of points, boxes and polygons. Masks come from tools. */
async function drawnPlaces(shapes: readonly Shape[]): Promise<Place[]> {
  const places = await Promise.all(shapes.map((one) => (one.kind === 'mask' ? undefined : placeOf(one))));
  return places.filter((place) => place !== undefined);
}

/** Missed frames first, then by the probability of their own label. */
const rank = (one: { readonly isMissed: boolean; readonly own: number } | undefined) =>
  one ? one.own - Number(one.isMissed) : 1;

/** Unmarked frames of defects with few marks or a low recall. */
function unmarked(
  frames: readonly LabelledFrame[],
  { ids }: AnnotationIndex,
  good: readonly string[],
  results: MarkedFrames['results'],
): Finding[] {
  const labels = [...new Set(frames.map(({ label }) => label))].filter((label) => !good.includes(label));
  return labels.sort().flatMap((label) => {
    const all = frames.filter((frame) => frame.label === label).map(({ id }) => id);
    const without = all.filter((id) => !ids.has(id));
    const marked = all.length - without.length;
    const lost = all.filter((id) => results.get(id)?.isMissed);
    const isOftenMissed = lost.length > (1 - goodRecall) * all.length;
    if (without.length === 0 || marked >= enoughMarked || (marked === 0 && !isOftenMissed)) return [];
    const wanted = Math.min(without.length, enoughMarked - marked);
    return {
      kind: 'unmarked',
      severity: 'hint',
      text: `${counted(all.length, 'frame')} of ${label}: ${lost.length} not recognised, ${marked} marked`,
      remedy: `mark the defect on ${wanted} more (Gallery: Open, Mark defects), so that small defects are recognised better`,
      // Frames that are missed today help most, then those that are uncertain.
      frames: without.sort((a, b) => rank(results.get(a)) - rank(results.get(b))).slice(0, maxWanted),
    };
  });
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

const say = (
  severity: Finding['severity'],
  kind: Finding['kind'],
  frames: string[],
  words: Pick<Finding, 'text' | 'remedy'>,
): Finding[] => (frames.length === 0 ? [] : [{ kind, severity, ...words, frames }]);
