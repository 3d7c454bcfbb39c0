/** Computes features of images, locally or on a server. */
import type { MapName } from '../base.ts';
import type { Image } from '../image.ts';
import type { RanOn } from './providers.ts';

/** One map of one image. */
export interface FeatureMap {
  /** [channels,height,width]; if returned by a runner, a view that is valid until the next run. */
  readonly data: Float32Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** The maps that the base has. */
export type FeatureMaps = Readonly<Partial<Record<MapName, FeatureMap>>>;

export interface ImageFeatures {
  /** [D], pooled features of the base; valid until the next run. */
  readonly features: Float32Array;
  /** Only if requested. */
  readonly maps?: FeatureMaps | undefined;
  /** The maps that the features are pooled from; only if the base was opened with them. */
  readonly pooled?: readonly PooledMap[] | undefined;
  /** Time for the input tensor of the image, ms; 0 if unknown. */
  readonly prepareMs?: number;
  /** If it can differ between runs. */
  readonly ranOn?: RanOn;
}

/** Consecutive features, one for each channel of a map. */
export interface PooledMap {
  readonly kind: 'average' | 'maximum';
  readonly map: FeatureMap;
}

export interface RunOptions {
  /** Use all threads, if supported. */
  readonly wide?: boolean;
  /** Also return the maps of stages 2 and 3; requires `openMaps`. */
  readonly maps?: boolean;
}

export interface Runner {
  /** Features of each image, in order. */
  run(images: readonly Image[], options?: RunOptions): Promise<ImageFeatures[]>;
  /** Prepares for runs with maps, which have no cost before. @throws QcError maps-unavailable, and as opening the base */
  openMaps(): Promise<void>;
  /** Number of concurrent runs; absent: one. */
  readonly parallel?: number;
  /** Releases resources that keep the thread alive. */
  close?(): void;
}

/** Calls native code; its thread must not be terminated meanwhile. */
export type Native = <T>(call: () => Promise<T>) => Promise<T>;
