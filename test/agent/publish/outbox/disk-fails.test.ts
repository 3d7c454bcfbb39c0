/** The disk refuses some calls for some time (shim.c), in a process that may be killed meanwhile. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type FileFault, openShim, type Shim, shimMissing } from '../../../rigs/shim.ts';
import { until } from '../../../rigs/until.ts';
import { readAll } from './contract.ts';
import { openIn, upTo } from './opened.ts';

const script = fileURLToPath(new URL('./stores-paced.js', import.meta.url));
const { EIO, ENOSPC, EROFS } = constants.errno;
const folders: string[] = [];
const temporary = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qc-fails-'));
  folders.push(folder);
  return folder;
};
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

interface Paced extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Its output so far. */
  readonly lines: readonly string[];
  /** Numbers of parts that were stored, or delivered from memory. */
  readonly stored: readonly number[];
  readonly fault: string;
  stop(): Promise<{ readonly waiting: number; readonly dropped: number } | undefined>;
}

function startPaced(directory: string, shim: Shim, everyMs: number, consumes = false): Paced {
  const child = spawn(
    process.execPath,
    [script, directory, String(everyMs), ...(consumes ? ['consumes'] : [])],
    {
      env: { ...process.env, ...shim.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines: string[] = [];
  const stored: number[] = [];
  let fault = '';
  let rest = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    const all = (rest + chunk).split('\n');
    rest = all.pop()!;
    for (const line of all) {
      lines.push(line);
      if (line.startsWith('stored ')) stored.push(Number(line.slice(7)));
      if (line.startsWith('fault ')) fault = line.slice(6);
    }
  });
  const closed = once(child, 'close');
  return {
    child,
    lines,
    stored,
    get fault() {
      return fault;
    },
    async stop() {
      child.kill('SIGTERM');
      await closed;
      const left = lines.findLast((line) => line.startsWith('left '))?.split(' ');
      return left && { waiting: Number(left[1]), dropped: Number(left[2]) };
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

const grows = (paced: Paced, by: number) => {
  const before = paced.stored.length;
  return until(() => paced.stored.length >= before + by, { timeoutMs: 30_000, what: `${by} more parts` });
};

async function kill({ child }: Paced): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'close');
}

/**
 * The parts of the last transaction may have been stored without a report; a gap for uncertain numbers is in the thousands.
 */
function expectNoGap(said: readonly number[], newest: number): void {
  expect(newest - said.at(-1)!).toBeGreaterThanOrEqual(0);
  expect(newest - said.at(-1)!).toBeLessThan(100);
}

describe.skipIf(shimMissing)('a disk that fails for a short time', () => {
  const oneFailure: Record<string, Omit<FileFault, 'errno'>> = {
    'write of the page that makes a transaction of the store count': { path: 'data.mdb', calls: ['synced'] },
    'write of a page of the store': { path: 'data.mdb', calls: ['plain'] },
    'wait for the store': { path: 'data.mdb', calls: ['sync'] },
    'write of the journal': { path: 'outbox/journal', calls: ['synced'] },
  };
  for (const [what, fault] of Object.entries(oneFailure)) {
    it(`one failed ${what}: nothing is lost, and the store is used again without a restart`, async () => {
      const directory = await temporary();
      await using shim = await openShim();
      {
        await using paced = startPaced(directory, shim, 2);
        await grows(paced, 50);
        await shim.fail({ errno: EIO, times: 1, ...fault });
        await until(async () => (await shim.failed()) === 1, { timeoutMs: 30_000, what: 'a call to fail' });
        await grows(paced, 50);
        await until(() => paced.fault === '', { timeoutMs: 30_000, what: 'the end of the fault' });
        await kill(paced);
        await using again = await openIn(directory);
        expect(await readAll(again.outbox)).toEqual(expect.arrayContaining([...paced.stored]));
        expect(again.outbox.dropped).toBe(0);
      }
    });
  }

  it('the store fails for longer than the size of the journal allows: the journal grows, and nothing is discarded', async () => {
    const directory = await temporary();
    await using shim = await openShim();
    await using paced = startPaced(directory, shim, 0);
    await grows(paced, 20);
    await shim.fail({ errno: EIO, path: 'data.mdb' });
    // A record of one part takes a page; the journal has a thousand pages.
    await grows(paced, 1_300);
    expect(paced.fault).toBe('');
    await shim.fail(undefined);
    await grows(paced, 20);
    const left = await paced.stop();
    expect(left).toEqual({ waiting: paced.stored.length, dropped: 0 });
    await using again = await openIn(directory);
    expect(await readAll(again.outbox)).toEqual(upTo(paced.stored.length));
  }, 90_000);

  it('store and journal fail, then the store alone: the journal has the results, and a kill leaves no gap', async () => {
    const directory = await temporary();
    await using shim = await openShim();
    const stored: number[] = [];
    {
      await using paced = startPaced(directory, shim, 2);
      await grows(paced, 20);
      await shim.fail({ errno: EIO, path: directory });
      await until(() => paced.fault !== '', { timeoutMs: 30_000, what: 'the fault to be reported' });
      await grows(paced, 20);
      await shim.fail({ errno: EIO, path: 'data.mdb' });
      await until(() => paced.fault === '', { timeoutMs: 30_000, what: 'the journal to be in use' });
      await grows(paced, 50);
      expect(paced.fault).toBe('');
      await kill(paced);
      stored.push(...paced.stored);
    }
    await shim.fail(undefined);
    await using again = await openIn(directory);
    expect(await readAll(again.outbox)).toEqual(expect.arrayContaining(stored));
    expectNoGap(stored, again.store.newestSequence('top'));
  }, 90_000);

  for (const [name, errno] of Object.entries({ EIO, ENOSPC, EROFS })) {
    it(`all writes fail (${name}) when the process is killed: no number is used for two parts`, async () => {
      const directory = await temporary();
      await using shim = await openShim();
      const used: number[] = [];
      {
        await using paced = startPaced(directory, shim, 2, true);
        await grows(paced, 50);
        await shim.fail({ errno, path: directory });
        await until(() => paced.fault !== '', { timeoutMs: 30_000, what: 'the fault to be reported' });
        await grows(paced, 50);
        await kill(paced);
        used.push(...paced.stored);
      }
      // With and without a working disk at that time.
      {
        await using paced = startPaced(directory, shim, 2, true);
        await grows(paced, 20);
        expect(paced.fault).toContain('results cannot be written to the disk');
        await kill(paced);
        used.push(...paced.stored);
      }
      await shim.fail(undefined);
      {
        await using paced = startPaced(directory, shim, 2, true);
        // The mark of the second process no longer exists.
        await grows(paced, 200);
        expect(paced.fault).toBe('');
        await kill(paced);
        used.push(...paced.stored);
      }
      // After that, no number is uncertain, and there is no gap.
      await using paced = startPaced(directory, shim, 2, true);
      await grows(paced, 20);
      expectNoGap(used, paced.stored[0]! - 1);
      used.push(...paced.stored);
      expect(new Set(used).size).toBe(used.length);
    }, 90_000);
  }

  it('all writes fail at the start: results wait in memory, and are written when the disk works', async () => {
    const directory = await temporary();
    await using shim = await openShim();
    const stored: number[] = [];
    {
      await using paced = startPaced(directory, shim, 2);
      await grows(paced, 20);
      await kill(paced);
      stored.push(...paced.stored);
    }
    await shim.fail({ errno: ENOSPC, path: directory });
    await using paced = startPaced(directory, shim, 2);
    await grows(paced, 30);
    expect(paced.fault).toContain('results cannot be written to the disk');
    await shim.fail(undefined);
    await until(() => paced.fault === '', { timeoutMs: 30_000, what: 'the disk to be in use' });
    await grows(paced, 10);
    stored.push(...paced.stored);
    const left = await paced.stop();
    expect(left?.dropped).toBe(0);
    await using again = await openIn(directory);
    const kept = await readAll(again.outbox);
    expect(kept).toEqual(expect.arrayContaining(stored));
    expect(kept).toEqual([...new Set(kept)].toSorted((a, b) => a - b));
    expect(kept).toHaveLength(left!.waiting);
  }, 90_000);
});
