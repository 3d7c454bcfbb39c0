/**
 * Maps of stages 2 and 3 of labelled images, one image at a time: a map of 224 × 224 pixels is 1.6 MB at stage 2 and 0.8 MB at stage
 * 3, too much to keep for a data set. Whoever learns from cells goes through the images as often as needed and keeps what is
 * left of them: a projection, a selection, or a statistic. One pass costs an inference per image and view.
 */
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { FeatureMap, FeatureMaps } from '../../models/run/runner.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { readFrame } from '../dataset/read-frame.ts';
import { viewOf } from './views.ts';

export interface MappedImage {
  readonly frame: LabelledFrame;
  /** As in views.ts; 0 is the image as it is. */
  readonly view: number;
  /** [D], pooled features of the same run. */
  readonly features: Float32Array;
  readonly maps: FeatureMaps;
}

export interface MapsOptions {
  /** `Session.maps`. */
  readonly mapsOf: (image: Image) => Promise<Pick<MappedImage, 'features' | 'maps'>>;
  /** Default: only the image as it is. */
  readonly views?: readonly number[];
  readonly onProgress: (done: number, total: number) => void;
  /** Told of an image that cannot be read; it is left out. */
  readonly onUnreadable: (frame: LabelledFrame, reason: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Every view of every frame, in their order.
 * @throws QcError maps-unavailable, inference-stopped; the reason of `signal`, between two images
 */
export async function* mapsOfFrames(
  frames: readonly LabelledFrame[],
  { mapsOf, views = [0], onProgress, onUnreadable, signal }: MapsOptions,
): AsyncGenerator<MappedImage> {
  for (const [index, frame] of frames.entries()) {
    signal?.throwIfAborted();
    onProgress(index, frames.length);
    let image: Image;
    try {
      image = await decodePicture(await readFrame(frame));
    } catch (error) {
      onUnreadable(frame, (error as Error).message);
      continue;
    }
    for (const view of views) {
      signal?.throwIfAborted();
      yield { frame, view, ...(await mapsOf(await viewOf(image, view))) };
    }
  }
  onProgress(frames.length, frames.length);
}

/** The cells of a map as rows, [cells][channels] row-major; cell y·width + x. */
export function cellsOf({ data, channels }: FeatureMap): Float32Array {
  const cells = data.length / channels;
  const rows = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < cells; i++) rows[i * channels + c] = data[c * cells + i]!;
  }
  return rows;
}

/** The cells projected, [cells][size] row-major. @param matrix [size][channels], row-major */
export function projectedCells({ data, channels }: FeatureMap, matrix: Float32Array): Float32Array {
  const cells = data.length / channels;
  const size = matrix.length / channels;
  const rows = new Float32Array(cells * size);
  const sums = new Float32Array(cells);
  for (let p = 0; p < size; p++) {
    sums.fill(0);
    for (let c = 0; c < channels; c++) {
      const weight = matrix[p * channels + c]!;
      const from = c * cells;
      for (let i = 0; i < cells; i++) sums[i]! += weight * data[from + i]!;
    }
    for (let i = 0; i < cells; i++) rows[i * size + p] = sums[i]!;
  }
  return rows;
}
