/**
 * Trains localized features for frames of a dataset, from its marks, and describes the result to the operator. One run of the base
 * gives the pooled features of a view and the cells that localized features are computed from.
 */
import type { Image } from '../../models/image.ts';
import { percent } from '../../models/percent.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import type { Session } from '../../models/run/session.ts';
import { indexAnnotations } from '../dataset/annotations.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { placesOfFrames } from '../dataset/marks.ts';
import { openCellCache } from './cell-cache.ts';
import type { DescribeOptions, FrameFeatures } from './features.ts';
import type { Example, TrainedHead } from './fit.ts';
import { fitPlaces, type PlacesFit, type PlacesOptions, placeViews } from './fit-places.ts';
import { openKeptCells } from './kept-cells.ts';
import { bothMaps } from './maps.ts';
import { throttled } from './throttle.ts';
import type { ViewSet } from './views.ts';

export interface PlacesDeps extends Pick<PlacesOptions, 'good' | 'augment' | 'signal'> {
  readonly storageDirectory: string;
  /** Free space that must remain on the disk. */
  readonly minFreeBytes: number;
  /** Views whose features are computed. */
  readonly views: ViewSet;
  /** Receives the maps of each unchanged image that is looked at. */
  readonly onMaps?: ((frame: LabelledFrame, maps: FeatureMaps) => void) | undefined;
  /** Units of a hidden layer; a head with one has no localized features. */
  readonly hidden: number;
  readonly onNotice: (text: string) => void;
}

export interface PlacesOfFrames {
  /** Pooled features of a view; stores its cells if they may be needed. */
  readonly featuresOf: DescribeOptions['featuresOf'];
  /**
   * @param features the head with global features only
   * @param examples the same frames as training examples
   * @returns undefined if it does not apply: a base without maps, or no locations to learn from
   * @throws QcError inference-stopped; the reason of `signal`
   */
  fit(
    features: TrainedHead,
    described: readonly FrameFeatures[],
    examples: readonly Example[],
    options: Pick<PlacesOptions, 'seed' | 'onProgress'>,
  ): Promise<PlacesFit | undefined>;
}

/** @param frames candidates for training */
export async function openPlaces(
  session: Session,
  frames: readonly LabelledFrame[],
  { storageDirectory, minFreeBytes, views, hidden, onMaps, onNotice, ...options }: PlacesDeps,
): Promise<PlacesOfFrames> {
  const { good, augment, signal } = options;
  const maps = hidden > 0 ? undefined : bothMaps(session);
  const places = maps
    ? await placesOfFrames(frames, await indexAnnotations(storageDirectory), good)
    : new Map();
  const hasLocations = places.size > 0 || new Set(frames.map(({ label }) => good.includes(label))).size > 1;
  const features = throttled((image: Image) => session.features(image));
  if (!maps || !hasLocations) return { featuresOf: features, fit: async () => undefined };

  const wanted = new Set(placeViews(views, frames.length, augment));
  const both = throttled((image: Image) => session.maps(image));
  const cells = openCellCache({
    mapsOf: both,
    disk: await openKeptCells({ storageDirectory, base: session.facts.manifest, minFreeBytes, onNotice }),
    signal,
  });
  return {
    async featuresOf(image, { frame, view, whole }) {
      if (!wanted.has(view)) return await features(image);
      const seen = await both(image);
      if (view === 0) onMaps?.(frame, seen.maps);
      await cells.keep(frame, view, whole, seen.maps);
      return seen.features;
    },
    async fit(head, described, examples, more) {
      const used = described.map(({ frame }) => frame);
      const placed = examples.map((example, i) => ({ ...example, places: places.get(used[i]!.id) ?? [] }));
      try {
        return await fitPlaces(head, placed, cells.sourceOf(used), { ...options, ...more, maps });
      } catch (error) {
        signal?.throwIfAborted();
        if ((error as { code?: string }).code === 'inference-stopped') throw error;
        onNotice(`the places of defects are not used: ${(error as Error).message}`);
        return undefined;
      }
    },
  };
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
