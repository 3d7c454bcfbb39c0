/** How the pictures are spread over the processor. */
import { availableParallelism } from 'node:os';
import type { Precision } from './manifest.ts';

export interface Spread {
  /** Workers that run a picture each at a time. */
  readonly workers: number;
  /** Threads of one run; 0 = one a core. */
  readonly threads: number;
  /** Threads of a run beside which no other one runs. */
  readonly alone: number;
}

/** Each takes some 40 MB, and a camera's line is seldom faster. */
const mostWorkers = 8;
/** More threads than this only wait for each other in 8 bits. */
const mostAlone = 4;

/**
 * The threads of one run wait for each other at every layer, and whenever another process takes one core for a moment the
 * others stand still. In 8 bits the layers are so short that pictures go through faster side by side, a thread for each; one that
 * comes alone still has them all. In float all threads run one picture, and a second worker fills the holes of the first (a
 * quarter more pictures a second on two cores).
 * @param threads for inference altogether; 0 = one a core
 */
export function spreadOnCpu(threads: number, precision: Precision, cores = availableParallelism()): Spread {
  const total = threads || cores;
  if (precision === 'int8') {
    return { workers: Math.min(total, mostWorkers), threads: 1, alone: Math.min(total, mostAlone) };
  }
  return { workers: cores > 1 && total >= cores ? 2 : 1, threads, alone: threads };
}
