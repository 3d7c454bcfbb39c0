/** Trains localized features for frames of a dataset, from its marks, and describes the result to the operator. */
import type { CellBlock } from '../../models/cells.ts';
import type { Image } from '../../models/image.ts';
import { percent } from '../../models/percent.ts';
import type { Session } from '../../models/run/session.ts';
import { indexAnnotations } from '../dataset/annotations.ts';
import { placesOfFrames } from '../dataset/marks.ts';
import { openCellCache } from './cell-cache.ts';
import type { FrameFeatures } from './features.ts';
import type { Example, TrainedHead } from './fit.ts';
import { fitPlaces, type PlacesFit, type PlacesOptions } from './fit-places.ts';
import { throttled } from './throttle.ts';

export interface FramesWithPlaces extends Omit<PlacesOptions, 'maps'> {
  readonly storageDirectory: string;
  readonly described: readonly FrameFeatures[];
  /** The same frames as training examples. */
  readonly examples: readonly Example[];
  readonly onNotice: (text: string) => void;
}

/**
 * @param features the head with global features only
 * @returns undefined if it does not apply: a base without maps, or no locations to learn from
 * @throws QcError inference-stopped; the reason of `signal`
 */
export async function fitPlacesOfFrames(
  session: Session,
  features: TrainedHead,
  { storageDirectory, described, examples, onNotice, ...options }: FramesWithPlaces,
): Promise<PlacesFit | undefined> {
  const maps = bothMaps(session);
  if (!maps || features.hidden) return undefined;
  const frames = described.map(({ frame }) => frame);
  const places = await placesOfFrames(frames, await indexAnnotations(storageDirectory), options.good);
  const source = openCellCache(frames, {
    mapsOf: throttled((image: Image) => session.maps(image)),
    signal: options.signal,
  });
  const placed = examples.map((example, i) => ({ ...example, places: places.get(frames[i]!.id) ?? [] }));
  try {
    return await fitPlaces(features, placed, source, { ...options, maps });
  } catch (error) {
    options.signal?.throwIfAborted();
    if ((error as { code?: string }).code === 'inference-stopped') throw error;
    onNotice(`localized features are not used: ${(error as Error).message}`);
    return undefined;
  }
}

function bothMaps({ facts }: Session): CellBlock['maps'] | undefined {
  const [stage2, stage3] = [
    facts.maps.find(({ name }) => name === 'stage2'),
    facts.maps.find(({ name }) => name === 'stage3'),
  ];
  return stage2 && stage3 && { stage2, stage3 };
}

/** What was chosen and why, for the operator. */
export function placesSentence({ chosen, tried, marked, guessed }: PlacesFit): string {
  const [whole, ...others] = tried;
  const from = marked > 0 ? `${marked} parts with marks` : `the most unusual place of ${guessed} parts`;
  if (chosen.way === 'features') {
    const best = others.reduce((a, b) => (b.loss < a.loss ? b : a));
    return `it uses the whole image only, which is as good: ${percent(whole!.accuracy)} of new parts are judged correctly, ${percent(best.accuracy)} with single places (learned from ${from})`;
  }
  const where =
    chosen.way === 'spot' ? 'one place, the same on all parts' : 'the whole image and single places';
  return `it uses ${where}, learned from ${from}: ${percent(chosen.accuracy)} of new parts are judged correctly, ${percent(whole!.accuracy)} with the whole image alone`;
}
