import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { takeLock } from '../../../models/disk/lock.ts';
import { tempFolder } from '../temp-folder.ts';

const busy = { code: 'dataset-busy', does: 'is writing to the dataset' } as const;

/**
 * A process that waits for the others (`<file>.go`), takes the lock this number of times, and fails if it is not alone.
 * `dies`: it ends while it holds the lock.
 */
function contender(file: string, times: number, ends: 'gives it back' | 'dies'): Promise<unknown> {
  const script = `
    import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
    import { takeLock } from ${JSON.stringify(fileURLToPath(new URL('../../../models/disk/lock.js', import.meta.url)))};
    while (!existsSync(${JSON.stringify(`${file}.go`)})) await new Promise(setImmediate);
    for (let taken = 0; taken < ${times}; ) {
      const lock = await takeLock(${JSON.stringify(file)}, { code: 'dataset-busy', does: 'has it' }).catch((error) => {
        if (error.code === 'dataset-busy') return undefined;
        throw error;
      });
      if (!lock) continue;
      closeSync(openSync(${JSON.stringify(`${file}.inside`)}, 'wx'));
      await new Promise(setImmediate);
      rmSync(${JSON.stringify(`${file}.inside`)});
      taken++;
      ${ends === 'dies' ? 'process.exit(0);' : 'await lock[Symbol.asyncDispose]();'}
    }`;
  return promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
}

it('admits one process at a time, for any number of simultaneous attempts', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lock');
  writeFileSync(`${file}.go`, '');
  await Promise.all(Array.from({ length: 4 }, () => contender(file, 300, 'gives it back')));
  expect(readdirSync(folder.path)).toEqual(['lock.go']);
});

it('is taken over by exactly one process after its holder has died', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lock');
  for (let round = 0; round < 8; round++) {
    const all = Promise.all(Array.from({ length: 4 }, () => contender(file, 1, 'dies')));
    await Promise.race([all, sleep(250)]);
    writeFileSync(`${file}.go`, '');
    await all;
    rmSync(`${file}.go`);
  }
  await using _ = await takeLock(file, busy);
  expect(readdirSync(folder.path)).toEqual(['lock']);
});

it('names its holder', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lock');
  await using _ = await takeLock(file, busy);
  await expect(takeLock(file, busy)).rejects.toMatchObject({
    code: 'dataset-busy',
    message: expect.stringContaining(`this process (${process.pid}) is writing to the dataset already`),
  });
});

it('takes over an empty file after a power cut', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lock');
  writeFileSync(file, '');
  await using _ = await takeLock(file, busy);
  expect(readdirSync(folder.path)).toEqual(['lock']);
});

it('leaves nothing behind, and is taken immediately, after its holder was killed', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lock');
  const holder = spawn(process.execPath, ['--input-type=module', '-e', holding(file)]);
  await once(holder.stdout, 'data');
  await expect(takeLock(file, busy)).rejects.toMatchObject({
    message: expect.stringContaining(`process ${holder.pid} is writing to the dataset`),
  });
  holder.kill('SIGKILL');
  await once(holder, 'close');
  {
    await using _ = await takeLock(file, busy);
    expect(readdirSync(folder.path)).toEqual(['lock']);
  }
  expect(readdirSync(folder.path)).toEqual([]);
});

/** Takes the lock, reports it and keeps it. */
const holding = (file: string) => `
  import { takeLock } from ${JSON.stringify(fileURLToPath(new URL('../../../models/disk/lock.js', import.meta.url)))};
  await takeLock(${JSON.stringify(file)}, { code: 'dataset-busy', does: 'has it' });
  console.log('held');
  setInterval(() => undefined, 1_000);`;

// Another container that shares the folder has different process ids.
const container = ['--pid', '--fork', '--mount-proc', '--kill-child'];
const canUnshare = spawnSync('unshare', [...container, 'true']).status === 0;

it.skipIf(!canUnshare)('is kept by a process of another container exactly as long as it runs', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lock');
  const node = [process.execPath, '--input-type=module', '-e', holding(file)];
  const holder = spawn('unshare', [...container, ...node]);
  await once(holder.stdout, 'data');
  for (let n = 0; n < 3; n++) {
    await expect(takeLock(file, busy)).rejects.toMatchObject({
      code: 'dataset-busy',
      message: expect.stringContaining('a process of another container (number 1 there)'),
    });
  }
  // A third container does not take it either, although its first process has the same id as the holder.
  const third = spawnSync('unshare', [...container, ...node], { timeout: 10_000 });
  expect([third.status, String(third.stderr)]).toEqual([1, expect.stringContaining('dataset-busy')]);
  holder.kill('SIGKILL');
  await once(holder, 'close');
  await using _ = await takeLock(file, busy);
});

it('respects the lock of an earlier version, which contains only a process id', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lock');
  const other = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1_000)']);
  writeFileSync(file, `${other.pid}\n`);
  await expect(takeLock(file, busy)).rejects.toMatchObject({ code: 'dataset-busy' });
  other.kill('SIGKILL');
  await once(other, 'close');
  await using _ = await takeLock(file, busy);
});
