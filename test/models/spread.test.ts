import { expect, test } from 'vitest';
import { spreadOnCpu } from '../../models/spread.ts';

test.each([
  // threads asked for, precision, cores, workers, threads of each, and of one that is alone
  [0, 'fp32', 1, 1, 0, 0],
  [0, 'fp32', 2, 2, 0, 0],
  [2, 'fp32', 2, 2, 2, 2],
  [1, 'fp32', 2, 1, 1, 1],
  [4, 'fp16', 8, 1, 4, 4],
  [0, 'int8', 1, 1, 1, 1],
  [0, 'int8', 2, 2, 1, 2],
  [1, 'int8', 8, 1, 1, 1],
  [3, 'int8', 8, 3, 1, 3],
  [0, 'int8', 64, 8, 1, 4],
] as const)(
  '%i threads, %s, %i cores: %i workers with %i threads, %i alone',
  (asked, precision, cores, workers, threads, alone) => {
    expect(spreadOnCpu(asked, precision, cores)).toEqual({ workers, threads, alone });
  },
);
