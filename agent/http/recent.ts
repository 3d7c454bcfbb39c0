/** The newest results and their images, in bounded memory; images are encoded only when someone views them. */
import type { Frame, Image } from '../../models/image.ts';
import type { WhereMapView } from '../evidence/where-view.ts';
import type { Result } from '../publish/messages.ts';
import { createImageCache, encode } from './image-cache.ts';
import type { Counts } from './views.ts';

/** What the HTTP routes read of it. */
export interface Recent {
  /** Newest first. */
  results(query: { readonly camera?: string | undefined; readonly limit: number }): readonly Result[];
  counts(camera: string): Counts;
  /** The judged image as JPEG; undefined if it is no longer kept. */
  picture(resultId: string): Promise<Buffer | undefined>;
  /** The whole camera image of the newest part that has one. */
  preview(camera: string): Promise<{ readonly jpeg: Buffer; readonly frame: Frame } | undefined>;
  /** Called with each new result until the handle is disposed of. */
  subscribe(listener: (result: Result) => void): Disposable;
}

export interface RecentOptions {
  /** Results kept per camera. */
  readonly resultsPerCamera?: number;
  /** Memory for the pixels of the judged images of all cameras, bytes; the oldest are discarded first. */
  readonly pictureBytes?: number;
}

export interface RecentStore extends Recent {
  /** Keeps a result with a copy of its judged image, if there is one, the preview of the frame, and its map. */
  add(result: Result, seen?: ShownPart): void;
  /** Undefined if the result is no longer kept. */
  result(resultId: string): Result | undefined;
  /** The original judged image, or decoded from its JPEG if only that is left; undefined if neither is kept. */
  image(resultId: string): Promise<Image | undefined>;
  /** Undefined if the head cannot locate defects, or the result is no longer kept. */
  map(resultId: string): WhereMapView | undefined;
}

/** Images and map of a part. */
interface ShownPart {
  readonly frame?: Frame | undefined;
  readonly map?: WhereMapView | undefined;
}

/** Nothing to close: no timers, no files. */
export function createRecent(options: RecentOptions = {}): RecentStore {
  const { resultsPerCamera = 200, pictureBytes = 9_000_000 } = options;
  const results = new Map<string, Result[]>();
  const maps = new Map<string, WhereMapView>();
  const tallies = new Map<string, Counts>();
  const images = createImageCache(pictureBytes);
  const previews = new Map<string, { readonly frame: Frame; readonly jpeg: () => Promise<Buffer> }>();
  const listeners = new Set<(result: Result) => void>();

  return {
    add(result, { frame, map } = {}) {
      const { camera } = result;
      const ofCamera = results.get(camera) ?? [];
      results.set(camera, ofCamera);
      ofCamera.push(result);
      if (map) maps.set(result.resultId, map);
      if (ofCamera.length > resultsPerCamera) maps.delete(ofCamera.shift()!.resultId);
      // Parts of a challenge test are not production.
      if (!result.challenge) tallies.set(camera, countWith(tallies.get(camera) ?? nothingCounted, result));
      if (frame) images.add(result.resultId, frame.image);
      if (frame?.preview) previews.set(camera, { frame, jpeg: once(frame.preview) });
      for (const listener of listeners) listener(result);
    },
    results({ camera, limit }) {
      const found = camera === undefined ? [...results.values()].flat() : (results.get(camera) ?? []);
      // The id begins with its time (ULID), so it also orders results of several cameras.
      const ordered = camera === undefined ? found.sort((a, b) => (a.resultId < b.resultId ? -1 : 1)) : found;
      return ordered.slice(-limit).reverse();
    },
    result: (resultId) => [...results.values()].flat().find((one) => one.resultId === resultId),
    image: (resultId) => images.image(resultId),
    map: (resultId) => maps.get(resultId),
    counts: (camera) => tallies.get(camera) ?? nothingCounted,
    picture: async (resultId) => images.jpeg(resultId),
    async preview(camera) {
      const found = previews.get(camera);
      return found && { frame: found.frame, jpeg: await found.jpeg() };
    },
    subscribe(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}

const nothingCounted: Counts = { pass: 0, fail: 0, uncertain: 0, judged: 0, judgedSince: null };

/** A part without a label was not judged: no head was active, or the part was lost before. */
function countWith(counts: Counts, { verdict, label, capturedAt }: Result): Counts {
  const next = { ...counts, [verdict]: counts[verdict] + 1 };
  if (label === null) return next;
  return { ...next, judged: counts.judged + 1, judgedSince: counts.judgedSince ?? capturedAt };
}

/** Encodes at the first call and keeps only the JPEG from then on. */
function once(image: Image): () => Promise<Buffer> {
  let raw: Image | undefined = image;
  let encoded: Promise<Buffer> | undefined;
  return () => {
    if (raw) encoded = encode(raw);
    raw = undefined;
    return encoded!;
  };
}
