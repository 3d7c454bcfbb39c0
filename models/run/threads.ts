/** Distributes the threads of the processor to workers. */
import { availableParallelism } from 'node:os';
import type { Precision } from '../manifest.ts';

export interface ThreadPlan {
  /** Number of workers; each runs one image at a time. */
  readonly workers: number;
  /** Threads of a narrow run. */
  readonly narrow: number;
  /** Threads of a wide run, which is exclusive. */
  readonly wide: number;
}

/** Each worker needs about 40 MB, and more throughput is rarely needed. */
const maxWorkers = 8;
/** More threads do not speed up an int8 run. */
const maxInt8Threads = 4;

/**
 * The threads of one run wait for each other at every layer, so another process on one core delays all of them. Under constant
 * load, concurrent runs with one or a few threads each have 12 % more throughput; a single image has the lowest latency with all
 * threads.
 * @param threads total number for inference; 0 = one per core
 */
export function planThreads(
  threads: number,
  precision: Precision,
  cores = availableParallelism(),
): ThreadPlan {
  const total = threads || cores;
  const max = precision === 'int8' ? Math.min(total, maxInt8Threads) : total;
  const narrow = Math.min(Math.ceil(total / maxWorkers), max);
  return { workers: Math.min(Math.floor(total / narrow), maxWorkers), narrow, wide: max };
}
