/** The outbox on a real disk: after a restart, after damage, and while writes fail. */
import { mkdir, mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkOutbox } from '../../../../agent/doctor/outbox.ts';
import { outboxClock } from '../../../../agent/publish/outbox/clock.ts';
import { type Change, openDisk } from '../../../../agent/publish/outbox/disk.ts';
import { openDiskThread } from '../../../../agent/publish/outbox/disk-thread.ts';
import { openDurableOutbox } from '../../../../agent/publish/outbox/durable.ts';
import { openNumbers } from '../../../../agent/publish/outbox/numbers.ts';
import { fileLimitMissing, limitFiles } from '../../../rigs/file-limit.ts';
import { until } from '../../../rigs/until.ts';
import { outboxContract, readAll, schema } from './contract.ts';
import { openIn, upTo } from './opened.ts';

const never = new AbortController().signal;
const folders: string[] = [];
const temporary = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qc-outbox-'));
  folders.push(folder);
  return folder;
};
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

outboxContract('the outbox on disk', async (messages) => {
  const { store } = await openIn(await temporary(), { messages });
  return store;
});

describe('messages in the outbox on disk', () => {
  it('exist after a restart, in order, with continued ids, numbers and age', async () => {
    const directory = await temporary();
    {
      await using one = await openIn(directory);
      for (const n of upTo(9)) await one.put(n);
      for (const n of upTo(3)) one.outbox.ack((await one.outbox.next(n - 1, never)).id);
      one.outbox.discard((await one.outbox.next(3, never)).id);
    }
    await using two = await openIn(directory);
    expect([two.outbox.size, two.outbox.newestId, two.outbox.dropped]).toEqual([5, 9, 1]);
    expect(two.store.newestSequence('top')).toBe(9);
    expect(two.outbox.oldestAgeMs).toBeGreaterThan(0);
    await two.put(10);
    expect(await readAll(two.outbox)).toEqual(upTo(10, 5));
    expect(two.outbox.newestId).toBe(10);
  });

  it('continue to be counted if everything was delivered before', async () => {
    const directory = await temporary();
    {
      await using one = await openIn(directory);
      await one.put(1);
      one.outbox.ack((await one.outbox.next(0, never)).id);
    }
    await using two = await openIn(directory);
    expect([two.outbox.size, two.outbox.newestId, two.store.newestSequence('top')]).toEqual([0, 1, 1]);
    await two.put(2);
    expect((await two.outbox.next(0, never)).id).toBe(2);
  });

  it('are limited in bytes and age, and the oldest are deleted first', async () => {
    const text = 'x'.repeat(1_500);
    const directory = await temporary();
    {
      await using filled = await openIn(directory, { bytes: 1e6 });
      for (let n = 1; n <= 2_000; n += 50) {
        const letters = upTo(n + 49, n).map((m) => filled.outbox.letter({ n: m, text }));
        await filled.store.put(letters);
      }
    }
    {
      await using one = await openIn(directory, { bytes: 1e6 });
      expect(one.outbox.dropped).toBeGreaterThan(1_000);
      expect(one.outbox.size).toBe(2_000 - one.outbox.dropped);
      expect(one.outbox.size).toBeGreaterThan(300);
      expect(await readAll(one.outbox)).toEqual(upTo(2_000, one.outbox.dropped + 1));
      expect((await stat(join(directory, 'outbox', 'data.mdb'))).size).toBeLessThan(3e6);
    }
    await using two = await openIn(directory, { ageMs: 1 });
    await two.put(2_001);
    await until(async () => {
      await two.put(0);
      return two.outbox.size <= 2;
    });
  });
});

describe('the age of waiting messages', () => {
  const day = 86_400_000;
  const now = Date.parse('2026-12-24T12:00:00Z');

  it('increases while the machine is off, and ignores a clock that went back or jumped', () => {
    const waited = (wall: number) => outboxClock(now, wall).now() - now;
    expect(waited(now + 3 * day)).toBeCloseTo(3 * day, -3);
    expect(waited(now - day)).toBeCloseTo(0, -3);
    expect(waited(0)).toBeCloseTo(0, -3);
    expect(outboxClock(60_000, now).now()).toBeCloseTo(60_000, -3);
    expect(outboxClock(undefined, now).now()).toBeCloseTo(now, -3);
  });
});

describe('a damaged outbox on disk', () => {
  async function filled(): Promise<{ directory: string; file: string }> {
    const directory = await temporary();
    await using one = await openIn(directory);
    await Promise.all(upTo(2_000).map((n) => one.put(n)));
    return { directory, file: join(directory, 'outbox', 'data.mdb') };
  }
  const overwrite = async (file: string, from: number, length: number) => {
    const handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(length, 0xa5), 0, length, from);
    await handle.close();
  };
  const damages: Record<string, (file: string) => Promise<void>> = {
    'is cut short': async (file) => truncate(file, 20_480),
    'is cut in a page': async (file) => truncate(file, 30_000),
    'is empty': async (file) => truncate(file, 0).then(() => overwrite(file, 0, 10)),
    'has a damaged header': (file) => overwrite(file, 0, 8_192),
    'has random bytes after its header': async (file) =>
      overwrite(file, 8_192, (await stat(file)).size - 8_192),
  };
  for (const [how, damage] of Object.entries(damages)) {
    it(`${how}: it is renamed with a warning, lost messages are counted, and no number is used twice`, async () => {
      const { directory, file } = await filled();
      await damage(file);
      expect(await checkOutbox(directory)).toMatchObject([
        { level: 'fail', detail: expect.stringContaining('is damaged') },
      ]);
      await using again = await openIn(directory);
      // Readable messages are kept, those in the journal are transferred again, and the rest is counted.
      const { size } = again.outbox;
      expect(size + again.outbox.dropped).toBe(2_000);
      expect(again.log.join('')).toContain('was damaged and set aside as');
      const aside = (await readdir(directory)).filter((name) => name.startsWith('outbox.damaged-'));
      expect(aside).toHaveLength(1);
      const next = again.store.newestSequence('top') + 1;
      expect(next).toBeGreaterThan(2_000);
      await again.put(next);
      expect((await readAll(again.outbox)).at(-1)).toBe(next);
      expect(await checkOutbox(directory)).toMatchObject([
        {
          level: 'ok',
          detail: expect.stringMatching(
            new RegExp(`^${size + 1} messages wait, the oldest for 0\\.\\d min, 0\\.\\d MB$`),
          ),
        },
        { level: 'warn', detail: expect.stringContaining('outbox.damaged-') },
      ]);
    });
  }

  it('has one unreadable message: only that one is set aside, and counted', async () => {
    const directory = await temporary();
    {
      await using one = await openIn(directory);
      for (const n of upTo(5)) await one.put(n);
      const other = one.store.queue('other', z.object({ wrong: z.string() }));
      await one.store.put([other.letter({ wrong: 'x' })]);
    }
    const file = join(directory, 'outbox', 'data.mdb');
    const handle = await open(file, 'r+');
    const bytes = await handle.readFile();
    for (let at = bytes.indexOf('{"n":3}'); at >= 0; at = bytes.indexOf('{"n":3}', at + 1)) {
      await handle.write('{"n":8}', at);
    }
    await handle.close();
    {
      await using again = await openIn(directory);
      const other = again.store.queue('other', schema);
      const waiting = other.next(0, AbortSignal.timeout(500));
      await expect(waiting).rejects.toThrow();
      expect([other.size, other.dropped]).toEqual([0, 1]);
      expect(await readAll(again.outbox)).toEqual([1, 2, 4, 5]);
      expect([again.outbox.size, again.outbox.dropped]).toEqual([4, 1]);
      expect(again.log.join('')).toContain('a message of other cannot be read and was set aside');
      expect(again.log.join('')).toContain('1 messages of the outbox cannot be read and were set aside');
    }
    const disk = openDisk(join(directory, 'outbox'), { readOnly: true });
    expect(disk.found().setAside).toBe(2);
    await disk.close();
    expect(await checkOutbox(directory)).toMatchObject([
      { level: 'warn', detail: expect.stringContaining('2 cannot be read') },
    ]);
  });
});

describe.skipIf(fileLimitMissing)('while writes to the disk fail', () => {
  it('delivers from memory, reports it, deletes the oldest when memory is full, and writes again later', async () => {
    const directory = await temporary();
    {
      await using one = await openIn(directory, { memoryParts: 20 });
      for (const n of upTo(5)) await one.put(n);
      // No file of this process can grow: EFBIG instead of ENOSPC, with the same effect.
      limitFiles(process.pid, (await stat(join(directory, 'outbox', 'data.mdb'))).size);
      try {
        const text = 'x'.repeat(20_000);
        for (const n of upTo(15, 6)) await one.store.put([one.outbox.letter({ n, text })]);
        expect(one.store.fault).toContain('results cannot be written to the disk');
        expect(await readAll(one.outbox)).toEqual(upTo(15));
        one.outbox.ack(6);
        one.outbox.ack(2);
        expect(one.outbox.size).toBe(13);
        for (const n of upTo(40, 16)) await one.store.put([one.outbox.letter({ n, text })]);
        expect(one.outbox.dropped).toBeGreaterThan(0);
        expect(one.outbox.size + one.outbox.dropped).toBe(38);
      } finally {
        limitFiles(process.pid, 'unlimited');
      }
      await until(() => one.store.fault === '', { what: 'the disk to be tried again' });
      await one.put(41);
      expect(one.log.join('')).toContain('on the disk again');
    }
    await using two = await openIn(directory);
    const kept = await readAll(two.outbox);
    expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
    expect(kept).toEqual(expect.arrayContaining([1, 3, 4, 5, 40, 41]));
    expect(kept).not.toContain(2);
    expect(kept).not.toContain(6);
    expect(kept.length + two.outbox.dropped).toBe(39);
  });
});

describe.skipIf(fileLimitMissing)('an end while writes to the disk fail', () => {
  it('reports lost messages, and is no error if they were delivered from memory', async () => {
    const directory = await temporary();
    const text = 'x'.repeat(100_000);
    const { store, outbox, put } = await openIn(directory);
    await put(1);
    limitFiles(process.pid, (await stat(join(directory, 'outbox', 'data.mdb'))).size);
    try {
      await store.put([outbox.letter({ n: 2, text })]);
      await expect(store[Symbol.asyncDispose]()).rejects.toThrow('messages of 1 parts are lost');
      const again = await openIn(directory);
      await again.store.put([again.outbox.letter({ n: 3, text })]);
      again.outbox.ack((await again.outbox.next(1, never)).id);
      await again.store[Symbol.asyncDispose]();
    } finally {
      limitFiles(process.pid, 'unlimited');
    }
  });
});

describe('a disk that hangs', () => {
  it('delays results for three seconds; then they are delivered from memory until it works again', async () => {
    const directory = await temporary();
    const limits = { messages: 1_000, bytes: 100e6, ageMs: 3_600_000 };
    await mkdir(join(directory, 'outbox'));
    const disk = await openDiskThread({ directory: join(directory, 'outbox'), bytes: limits.bytes });
    let hang = Promise.resolve();
    const hanging = {
      ...disk,
      async change(change: Change) {
        await hang;
        return disk.change(change);
      },
    };
    const faults: string[] = [];
    const store = openDurableOutbox(
      { disk: hanging, journal: undefined, numbers: await openNumbers(directory), areCertain: true },
      { limits, memoryParts: 100 },
      { log: pino({ level: 'silent' }), onFault: () => void faults.push(store.fault) },
    );
    const outbox = store.queue('one', schema);
    const put = (n: number) => store.put([outbox.letter({ n })]);
    await put(1);
    let release = () => {};
    hang = new Promise((resolve) => {
      release = resolve;
    });
    await put(2);
    expect(store.fault).toContain('it has not answered for 3 s');
    await put(3);
    expect(await readAll(outbox)).toEqual([1, 2, 3]);
    outbox.ack(2);
    release();
    await until(() => store.fault === '');
    expect(faults).toEqual([expect.stringContaining('has not answered'), '']);
    await put(4);
    expect(await readAll(outbox)).toEqual([1, 3, 4]);
    await store[Symbol.asyncDispose]();
    await using again = await openIn(directory);
    expect(await readAll(again.outbox)).toEqual([1, 3, 4]);
  });
});
