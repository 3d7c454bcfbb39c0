/** How the pictures are spread over the processor. */
import { availableParallelism } from 'node:os';
import type { Precision } from '../manifest.ts';

export interface Spread {
  /** Workers that run a picture each at a time. */
  readonly workers: number;
  /** Threads of a narrow run. */
  readonly narrow: number;
  /** Threads of a wide run, beside which no other one runs. */
  readonly wide: number;
}

/** Each takes some 40 MB, and a camera's line is seldom faster. */
const mostWorkers = 8;
/** More threads than this only wait for each other in 8 bits. */
const most8Bit = 4;

/**
 * The threads of one run wait for each other at every layer, and whenever another process takes one core for a moment the
 * others stand still: a line that never pauses gets an eighth more pictures through side by side, a thread or a few for each, while a
 * picture that comes alone is answered soonest by all threads.
 * @param threads for inference altogether; 0 = one a core
 */
export function spreadOnCpu(threads: number, precision: Precision, cores = availableParallelism()): Spread {
  const total = threads || cores;
  const most = precision === 'int8' ? Math.min(total, most8Bit) : total;
  const narrow = Math.min(Math.ceil(total / mostWorkers), most);
  return { workers: Math.min(Math.floor(total / narrow), mostWorkers), narrow, wide: most };
}
