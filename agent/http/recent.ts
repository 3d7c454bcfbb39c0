/** The newest results and their pictures, in bounded memory; pictures are encoded only when somebody looks. */
import sharp from 'sharp';
import type { Frame, Image } from '../../models/image.ts';
import { decodePicture } from '../../models/picture.ts';
import type { Result } from '../publish/messages.ts';
import type { Counts, Recent } from './deps.ts';

export interface RecentOptions {
  /** Results kept for each camera. */
  readonly resultsPerCamera?: number;
  /** Memory for judged pictures of all cameras together, bytes; the oldest go first. */
  readonly pictureBytes?: number;
}

export interface RecentStore extends Recent {
  /**
   * Keeps a result, with the frame that was judged for it where there is one.
   * The frame's pixels are kept as they are: nobody may transfer or change them afterwards.
   */
  add(result: Result, frame?: Frame): void;
  /** A result that is still kept. */
  result(resultId: string): Result | undefined;
  /** The judged picture as it was, or from its JPEG once somebody has looked at it; undefined where it is no longer kept. */
  image(resultId: string): Promise<Image | undefined>;
}

interface Picture {
  bytes: number;
  /** Until it is encoded. */
  raw: Image | undefined;
  readonly jpeg: () => Promise<Buffer>;
}

/** Nothing to close: no timers, no files. */
export function createRecent(options: RecentOptions = {}): RecentStore {
  const { resultsPerCamera = 200, pictureBytes = 12_000_000 } = options;
  const results = new Map<string, Result[]>();
  const tallies = new Map<string, Counts>();
  const pictures = new Map<string, Picture>();
  const previews = new Map<string, { readonly frame: Frame; readonly jpeg: () => Promise<Buffer> }>();
  const listeners = new Set<(result: Result) => void>();
  let bytesKept = 0;

  const keepPicture = (resultId: string, image: Image) => {
    const picture: Picture = {
      bytes: image.data.byteLength,
      raw: image,
      jpeg: once(image, (jpeg) => {
        // Encoded, it takes a tenth: the raw pixels are given up.
        picture.raw = undefined;
        if (!pictures.has(resultId)) return;
        bytesKept += jpeg.byteLength - picture.bytes;
        picture.bytes = jpeg.byteLength;
      }),
    };
    pictures.set(resultId, picture);
    bytesKept += picture.bytes;
    for (const [oldestId, oldest] of pictures) {
      if (bytesKept <= pictureBytes) break;
      pictures.delete(oldestId);
      bytesKept -= oldest.bytes;
    }
  };

  return {
    add(result, frame) {
      const { camera } = result;
      const ofCamera = results.get(camera) ?? [];
      results.set(camera, ofCamera);
      ofCamera.push(result);
      if (ofCamera.length > resultsPerCamera) ofCamera.shift();
      const tally = tallies.get(camera) ?? { pass: 0, fail: 0, uncertain: 0 };
      tallies.set(camera, { ...tally, [result.verdict]: tally[result.verdict] + 1 });
      if (frame) keepPicture(result.resultId, frame.image);
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
    async image(resultId) {
      const picture = pictures.get(resultId);
      return picture?.raw ?? (picture && decodePicture(await picture.jpeg()));
    },
    counts: (camera) => tallies.get(camera) ?? { pass: 0, fail: 0, uncertain: 0 },
    async picture(resultId) {
      return pictures.get(resultId)?.jpeg();
    },
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

/** Encodes at the first call and keeps only the JPEG from then on. */
function once(image: Image, onEncoded: (jpeg: Buffer) => void = () => {}): () => Promise<Buffer> {
  let raw: Image | undefined = image;
  let encoded: Promise<Buffer> | undefined;
  return () => {
    if (raw) {
      const { width, height, data } = raw;
      raw = undefined;
      encoded = sharp(data, { raw: { width, height, channels: 3 } })
        .jpeg({ quality: 88 })
        .toBuffer();
      encoded.then(onEncoded, () => undefined);
    }
    return encoded!;
  };
}
