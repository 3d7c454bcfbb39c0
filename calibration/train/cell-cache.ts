/**
 * Cells of labelled images and their views, read in several passes. They are stored as float16 on disk (kept-cells.ts), or in memory if
 * the disk has no room. If neither has room, they are computed again in each pass, with one inference each.
 */
import { type Cells, cellsOfMaps } from '../../models/cells.ts';
import type { Image } from '../../models/image.ts';
import { packHalf, unpackHalf } from '../../models/onnx/tensors.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { imageOfFrame } from '../dataset/read-frame.ts';
import type { KeptCells, PackedCells } from './kept-cells.ts';
import { viewOf } from './views.ts';

type Frame = Pick<LabelledFrame, 'id' | 'file' | 'changed'>;

export interface CellCache {
  /** Stores the cells of a view that was just computed. @param image size of view 0 */
  keep(frame: Frame, view: number, image: Pick<Image, 'width' | 'height'>, maps: FeatureMaps): Promise<void>;
  sourceOf(frames: readonly Frame[]): CellSource;
}

export interface CellSource {
  /**
   * Cells of one view of a frame, by index.
   * @param into memory to reuse, as for `cellsOfMaps`
   * @throws as `readFrame` and `Session.maps`; the reason of `signal`
   */
  cells(index: number, view: number, into?: Float32Array): Promise<Cells>;
  /** Size of an image whose cells were read; a placeholder before that. */
  size(index: number): Pick<Image, 'width' | 'height'>;
}

export interface CellCacheOptions {
  /** `Session.maps`. */
  readonly mapsOf: (image: Image) => Promise<{ readonly maps: FeatureMaps }>;
  /** Default: nothing is stored on disk. */
  readonly disk?: KeptCells | undefined;
  /** In memory; default 384 MB: 640 images of 224 × 224 pixels. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

export function openCellCache({ mapsOf, disk, maxBytes = 384e6, signal }: CellCacheOptions): CellCache {
  const kept = new Map<string, PackedCells>();
  let bytes = 0;
  /** Scratch memory. */
  let grid: Float32Array | undefined;
  /** The views of an image are read consecutively, so only the last image is kept. */
  let last: { readonly id: string; readonly image: Image } | undefined;

  const keyOf = ({ id }: Frame, view: number) => `${id}/${view}`;

  async function imageOf(frame: Frame): Promise<Image> {
    if (last?.id !== frame.id) last = { id: frame.id, image: await imageOfFrame(frame) };
    return last.image;
  }

  async function packedOf(frame: Frame, view: number): Promise<PackedCells> {
    const known = kept.get(keyOf(frame, view)) ?? (await disk?.read(frame.id, view));
    if (known) return known;
    const image = await imageOf(frame);
    const { maps } = await mapsOf(await viewOf(image, view));
    return await keep(frame, view, image, maps);
  }

  async function keep(
    frame: Frame,
    view: number,
    { width, height }: Pick<Image, 'width' | 'height'>,
    maps: FeatureMaps,
  ): Promise<PackedCells> {
    const { data, ...size } = cellsOfMaps(maps, grid);
    grid = data;
    const packed: PackedCells = { ...size, half: packHalf(data), image: { width, height } };
    if (await disk?.keep(frame.id, view, packed)) return packed;
    if (bytes + packed.half.byteLength <= maxBytes) {
      kept.set(keyOf(frame, view), packed);
      bytes += packed.half.byteLength;
    }
    return packed;
  }

  return {
    async keep(frame, view, image, maps) {
      await keep(frame, view, image, maps);
    },
    sourceOf(frames) {
      const sizes = new Map<number, Pick<Image, 'width' | 'height'>>();
      return {
        async cells(index, view, into) {
          signal?.throwIfAborted();
          // Also rounded if it was computed just now, so that a cell has the same value in each pass.
          const { half, image, channels, height, width } = await packedOf(frames[index]!, view);
          sizes.set(index, image);
          return { channels, height, width, data: unpackHalf(half, into) };
        },
        size: (index) => sizes.get(index) ?? { width: 1, height: 1 },
      };
    },
  };
}
