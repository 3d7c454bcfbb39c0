import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openNumbers } from '../../../../agent/publish/outbox/numbers.ts';

const folders: string[] = [];
async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-numbers-'));
  folders.push(folder);
  return folder;
}
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

describe('numbers on a disk that refuses writes', () => {
  it('may be sent when the mark covers them, and are not used again after a crash', async () => {
    const file = join(await temporary(), 'file');
    await writeFile(file, '');
    // Every write below a file fails.
    const directory = join(file, 'storage');
    const used: number[] = [];
    for (let start = 0; start < 3; start++) {
      // Not closed, as in a crash.
      const numbers = await openNumbers(directory);
      await numbers.uncertain(true);
      const next = numbers.startAfter('top', 0) + 1;
      numbers.used('top', next);
      expect(numbers.isNoted('top', next)).toBe(false);
      await numbers.noted();
      expect(numbers.isNoted('top', next)).toBe(true);
      used.push(next);
    }
    expect(new Set(used).size).toBe(3);
    expect(used.toSorted((a, b) => a - b)).toEqual(used);
  });

  it('a change at the end of a write is not lost', async () => {
    const directory = await temporary();
    const numbers = await openNumbers(directory);
    for (let turn = 0; turn < 60; turn++) {
      const on = turn % 2 === 0;
      const changed = numbers.uncertain(on);
      if (turn % 3 === 0) await changed;
      else for (let tick = 0; tick < turn; tick++) await Promise.resolve();
      if (turn % 7 === 0) await numbers.uncertain(!on);
    }
    await numbers.uncertain(true);
    expect((await openNumbers(directory)).wasUncertain).toBe(true);
    await numbers.uncertain(false);
    await numbers.close();
    expect((await openNumbers(directory)).wasUncertain).toBe(false);
  });
});
