/** Whether a head on labelled frames of a dataset should look at places, by the marks that the dataset has. */
import type { CellBlock } from '../../models/cells.ts';
import type { Image } from '../../models/image.ts';
import type { Session } from '../../models/run/session.ts';
import { indexAnnotations } from '../dataset/annotations.ts';
import { placesOfFrames } from '../dataset/marks.ts';
import { openCellCache } from './cell-cache.ts';
import type { FrameFeatures } from './features.ts';
import type { Example, TrainedHead } from './fit.ts';
import { fitPlaces, type PlacesFit, type PlacesOptions } from './fit-places.ts';
import { considerate } from './throttle.ts';

export interface FramesWithPlaces extends Omit<PlacesOptions, 'maps'> {
  readonly storageDirectory: string;
  readonly described: readonly FrameFeatures[];
  /** The same frames. */
  readonly examples: readonly Example[];
  readonly onNotice: (text: string) => void;
}

/**
 * @param features the head on features alone
 * @returns undefined where there is nothing to try: a base without maps, or nothing that says where to look
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
    mapsOf: considerate((image: Image) => session.maps(image)),
    signal: options.signal,
  });
  const placed = examples.map((example, i) => ({ ...example, places: places.get(frames[i]!.id) ?? [] }));
  try {
    return await fitPlaces(features, placed, source, { ...options, maps });
  } catch (error) {
    options.signal?.throwIfAborted();
    if ((error as { code?: string }).code === 'inference-stopped') throw error;
    onNotice(`places are not looked at: ${(error as Error).message}`);
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

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** What was chosen and why, in an operator's words. */
export function placesSentence({ chosen, tried, marked, guessed }: PlacesFit): string {
  const [whole, ...others] = tried;
  const from = marked > 0 ? `${marked} parts with marks` : `the oddest place of ${guessed} parts`;
  if (chosen.way === 'features') {
    const best = others.reduce((a, b) => (b.loss < a.loss ? b : a));
    return `it looks at the whole image only, which is as good: ${percent(whole!.accuracy)} of parts not seen are judged right, ${percent(best.accuracy)} with single places (learned from ${from})`;
  }
  const where = chosen.way === 'spot' ? 'at one place, the same on all parts' : 'at single places as well';
  return `it looks ${where}, learned from ${from}: ${percent(chosen.accuracy)} of parts not seen are judged right, ${percent(whole!.accuracy)} by the whole image alone`;
}
