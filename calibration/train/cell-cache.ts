/**
 * Cells of labelled images and their views, read in several passes. As many as fit are cached in memory as float16; the others
 * are computed again in each pass, with one inference each.
 */
import { type Cells, cellsOfMaps } from '../../models/cells.ts';
import type { Image } from '../../models/image.ts';
import { packHalf, unpackHalf } from '../../models/onnx/tensors.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { readFrame } from '../dataset/read-frame.ts';
import { viewOf } from './views.ts';

export interface CellSource {
  /** Cells of one view of a frame, by index. @throws as `readFrame` and `Session.maps`; the reason of `signal` */
  cells(index: number, view: number): Promise<Cells>;
  /** Size of an image whose cells were read; a placeholder before that. */
  size(index: number): Pick<Image, 'width' | 'height'>;
}

export interface CellCacheOptions {
  /** `Session.maps`. */
  readonly mapsOf: (image: Image) => Promise<{ readonly maps: FeatureMaps }>;
  /** Default 384 MB: 640 images of 224 × 224 pixels. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

export function openCellCache(
  frames: readonly Pick<LabelledFrame, 'file'>[],
  { mapsOf, maxBytes = 384e6, signal }: CellCacheOptions,
): CellSource {
  const kept = new Map<string, Omit<Cells, 'data'> & { readonly half: Uint16Array }>();
  const sizes = new Map<number, Pick<Image, 'width' | 'height'>>();
  let bytes = 0;
  /** The views of an image are read consecutively, so only the last image is kept. */
  let last: { readonly index: number; readonly image: Image } | undefined;

  async function imageOf(index: number): Promise<Image> {
    if (last?.index !== index) {
      last = { index, image: await decodePicture(await readFrame(frames[index]!)) };
      const { width, height } = last.image;
      sizes.set(index, { width, height });
    }
    return last.image;
  }

  return {
    async cells(index, view) {
      signal?.throwIfAborted();
      const key = `${index}/${view}`;
      const known = kept.get(key);
      if (known) return { ...known, data: unpackHalf(known.half) };
      const { maps } = await mapsOf(await viewOf(await imageOf(index), view));
      const { data, ...size } = cellsOfMaps(maps);
      const half = packHalf(data);
      if (bytes + half.byteLength <= maxBytes) {
        kept.set(key, { ...size, half });
        bytes += half.byteLength;
      }
      // Also rounded if it is not cached, so that a cell has the same value in each pass.
      return { ...size, data: unpackHalf(half) };
    },
    size: (index) => sizes.get(index) ?? { width: 1, height: 1 },
  };
}
