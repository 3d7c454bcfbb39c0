/** What turns pictures into features, wherever it runs. */
import type { Image } from '../image.ts';
import type { RanOn } from './providers.ts';
import type { FeatureMap } from './worker.ts';

export interface Described {
  /** [D], pooled features of the base; only until the next run. */
  readonly features: Float32Array;
  /** Only where it was opened with maps. */
  readonly map?: FeatureMap | undefined;
  /** Making the input tensor of the picture, ms; 0 where that is not told. */
  readonly prepareMs?: number;
  /** Where that is not always the same. */
  readonly ranOn?: RanOn;
}

export interface Runner {
  /** One for each picture, in their order. @param wide with all threads, where it has a choice */
  run(images: readonly Image[], wide?: boolean): Promise<Described[]>;
  /** Runs that it can have under way at a time; absent: one. */
  readonly parallel?: number;
  /** Lets go of what would keep the thread alive. */
  close?(): void;
}

/** Calls native code that must not be torn down with its thread. */
export type Native = <T>(call: () => Promise<T>) => Promise<T>;
