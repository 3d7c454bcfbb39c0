/** Features of labelled frames, computed once per image and base: `<storage>/features/<base>.f32`. */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Image } from '../../models/image.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { imageOfFrame } from '../dataset/read-frame.ts';
import { statisticsOf, statisticsSize } from './statistics.ts';
import { viewOf } from './views.ts';

export interface FrameFeatures {
  readonly frame: LabelledFrame;
  /** [D], pooled features of the base. */
  readonly features: Float32Array;
  /** The same for each requested view, by number; view 0 is the unchanged image. */
  readonly views: ReadonlyMap<number, Float32Array>;
  /** Low-level statistics of the same image. */
  readonly statistics: Float32Array;
}

/** A view of a frame. */
export interface SeenView {
  readonly frame: LabelledFrame;
  readonly view: number;
  /** View 0. */
  readonly whole: Image;
}

export interface DescribeOptions {
  readonly storageDirectory: string;
  readonly base: BaseManifest;
  /** @param seen frame and view of the image */
  readonly featuresOf: (image: Image, seen: SeenView) => Promise<Float32Array>;
  /** Views of each image: see views.ts; the first must be 0. */
  readonly views: readonly number[];
  readonly onProgress: (done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  /** Called instead of `onNotice` for an image that is left out. */
  readonly onUnreadable?: (frame: LabelledFrame, reason: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** sha256 of the image and one byte for the view, padded to a multiple of four bytes. */
const keyBytes = 36;

/**
 * Features of every frame. An image that cannot be read is left out with a notice; the others are processed.
 * The cache only saves time: an incomplete last record is cut off, and if the cache cannot be written, it is not used.
 * @throws the reason of `signal`, between two images
 */
export async function describeFrames(
  frames: readonly LabelledFrame[],
  { storageDirectory, base, featuresOf, views, onProgress, onNotice, onUnreadable, signal }: DescribeOptions,
): Promise<FrameFeatures[]> {
  const size = base.features.size;
  const folder = join(storageDirectory, 'features');
  const file = join(folder, `${base.sha256.slice(0, 16)}-${size}.f32`);
  const recordBytes = keyBytes + 4 * (size + statisticsSize);
  const { known, length } = await readCache(file, recordBytes);
  let cache = await openCache(folder, file, length, onNotice);

  async function rowsOf(frame: LabelledFrame): Promise<Float32Array[]> {
    let image: Image | undefined;
    const rows: Float32Array[] = [];
    for (const view of views) {
      const key = keyOf(frame.id, view);
      let values = known.get(key);
      if (!values) {
        image ??= await imageOfFrame(frame);
        values = new Float32Array(size + statisticsSize);
        values.set(await featuresOf(await viewOf(image, view), { frame, view, whole: image }));
        if (view === 0) values.set(statisticsOf(image), size);
        await keep(key, values);
      }
      rows.push(values);
    }
    return rows;
  }

  async function keep(key: string, values: Float32Array): Promise<void> {
    try {
      await cache?.write(Buffer.concat([Buffer.from(key, 'hex'), Buffer.from(values.buffer)]));
    } catch (error) {
      onNotice(`features are not cached for the next training: ${(error as Error).message}`);
      await cache?.close();
      cache = undefined;
    }
  }

  /** The features of a frame, or why it cannot be read. */
  async function describe(frame: LabelledFrame): Promise<FrameFeatures | string> {
    try {
      const rows = await rowsOf(frame);
      return {
        frame,
        features: rows[0]!.subarray(0, size),
        views: new Map(views.map((view, i) => [view, rows[i]!.subarray(0, size)])),
        statistics: rows[0]!.subarray(size),
      };
    } catch (error) {
      if ((error as { code?: string }).code === 'inference-stopped') throw error;
      return (error as Error).message;
    }
  }

  const described: FrameFeatures[] = [];
  // The next image is read and decoded while the model processes this one.
  let ahead: Promise<FrameFeatures | string> | undefined;
  try {
    for (const [index, frame] of frames.entries()) {
      signal?.throwIfAborted();
      onProgress(index, frames.length);
      const now = ahead ?? describe(frame);
      const next = frames[index + 1];
      ahead = next && describe(next);
      ahead?.catch(() => undefined);
      const one = await now;
      if (typeof one !== 'string') described.push(one);
      else if (onUnreadable) onUnreadable(frame, one);
      else onNotice(`${frame.label}/${frame.id.slice(0, 12)} is left out: ${one}`);
    }
  } finally {
    await ahead?.catch(() => undefined);
    await cache?.close();
  }
  onProgress(frames.length, frames.length);
  return described;
}

const keyOf = (id: string, view: number) => `${id}${Buffer.of(view, 0, 0, 0).toString('hex')}`;

async function readCache(file: string, recordBytes: number) {
  const known = new Map<string, Float32Array>();
  const bytes = await readFile(file).catch(() => Buffer.alloc(0));
  const length = bytes.length - (bytes.length % recordBytes);
  for (let at = 0; at < length; at += recordBytes) {
    const values = Uint8Array.prototype.slice.call(bytes, at + keyBytes, at + recordBytes);
    known.set(bytes.toString('hex', at, at + keyBytes), new Float32Array(values.buffer));
  }
  return { known, length };
}

/** Opens the cache for appending after its last complete record. */
async function openCache(
  folder: string,
  file: string,
  length: number,
  onNotice: (text: string) => void,
): Promise<FileHandle | undefined> {
  try {
    await makeFolders(folder);
    const handle = await open(file, 'a');
    await handle.truncate(length);
    return handle;
  } catch (error) {
    onNotice(`features are not cached for the next training: ${(error as Error).message}`);
    return undefined;
  }
}
