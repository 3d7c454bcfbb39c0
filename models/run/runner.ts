/** What turns images into features, wherever it runs. */
import type { MapName } from '../base.ts';
import type { Image } from '../image.ts';
import type { RanOn } from './providers.ts';

/** One map of one image. */
export interface FeatureMap {
  /** [channels,height,width]; a view, only until the next run where a runner gave it. */
  readonly data: Float32Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Those that the base has. */
export type FeatureMaps = Readonly<Partial<Record<MapName, FeatureMap>>>;

export interface ImageFeatures {
  /** [D], pooled features of the base; only until the next run. */
  readonly features: Float32Array;
  /** Only where they were asked for. */
  readonly maps?: FeatureMaps | undefined;
  /** What the features are pooled from; only where the base was opened with it. */
  readonly pooled?: readonly PooledMap[] | undefined;
  /** Making the input tensor of the image, ms; 0 where that is not told. */
  readonly prepareMs?: number;
  /** Where that is not always the same. */
  readonly ranOn?: RanOn;
}

/** A run of features, one for each channel of a map. */
export interface PooledMap {
  readonly kind: 'average' | 'maximum';
  readonly map: FeatureMap;
}

export interface RunOptions {
  /** With all threads, where it has a choice. */
  readonly wide?: boolean;
  /** With the maps of stages 2 and 3; only after `openMaps`. */
  readonly maps?: boolean;
}

export interface Runner {
  /** One for each image, in their order. */
  run(images: readonly Image[], options?: RunOptions): Promise<ImageFeatures[]>;
  /** Makes ready for runs with maps; until then they cost nothing. @throws QcError maps-unavailable, and as opening the base */
  openMaps(): Promise<void>;
  /** Runs that it can have under way at a time; absent: one. */
  readonly parallel?: number;
  /** Lets go of what would keep the thread alive. */
  close?(): void;
}

/** Calls native code that must not be torn down with its thread. */
export type Native = <T>(call: () => Promise<T>) => Promise<T>;
