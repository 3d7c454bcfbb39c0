import { expect, test } from 'vitest';
import { planThreads } from '../../../models/run/threads.ts';

test.each([
  // threads asked for, precision, cores, workers, threads of each, threads of a wide run
  [0, 'fp32', 1, 1, 1, 1],
  [0, 'fp32', 2, 2, 1, 2],
  [2, 'fp32', 2, 2, 1, 2],
  [1, 'fp32', 2, 1, 1, 1],
  [4, 'fp16', 8, 4, 1, 4],
  [0, 'fp32', 12, 6, 2, 12],
  [0, 'fp32', 64, 8, 8, 64],
  [0, 'int8', 1, 1, 1, 1],
  [0, 'int8', 2, 2, 1, 2],
  [1, 'int8', 8, 1, 1, 1],
  [3, 'int8', 8, 3, 1, 3],
  [0, 'int8', 64, 8, 4, 4],
] as const)(
  '%i threads, %s, %i cores: %i workers with %i threads, wide runs with %i',
  (asked, precision, cores, workers, narrow, wide) => {
    expect(planThreads(asked, precision, cores)).toEqual({ workers, narrow, wide });
  },
);
