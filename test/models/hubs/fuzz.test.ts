import { expect, test } from 'vitest';
import { tempFolder } from '../temp-folder.ts';
import { fuzz, targets } from './fuzz.ts';

// `node dist/test/bench/fuzz-hubs.js --inputs 20000` runs more of these tests.
test.each(targets)(
  '$name: damaged files are read or refused, quickly and with limited memory',
  async (target) => {
    await using folder = await tempFolder();
    const report = await fuzz(target, { inputs: 30, seed: 7, folder: folder.path });
    expect(report.surprises).toEqual([]);
    expect(report.slowestMs).toBeLessThan(10_000);
    expect(report.maxMemory).toBeLessThan(256 * 2 ** 20);
  },
);
