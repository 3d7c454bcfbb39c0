/** Transfer from the journal to the store: kills, torn and damaged records, a full disk, a journal of another version. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { checkOutbox } from '../../../../agent/doctor/outbox.ts';
import { openDisk } from '../../../../agent/publish/outbox/disk.ts';
import { pageBytes, scan } from '../../../../agent/publish/outbox/journal-record.ts';
import { seededRandom } from '../../../../calibration/train/random.ts';
import { fileLimitMissing, limitFiles } from '../../../rigs/file-limit.ts';
import { until } from '../../../rigs/until.ts';
import { readAll } from './contract.ts';
import { openIn, upTo } from './opened.ts';

const script = fileURLToPath(new URL('./stores-on.js', import.meta.url));
const never = new AbortController().signal;
const folders: string[] = [];
const temporary = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qc-journal-'));
  folders.push(folder);
  return folder;
};
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

const journalIn = (directory: string) => join(directory, 'outbox', 'journal');

/** The messages that the store has received. */
async function taken(directory: string) {
  const disk = openDisk(join(directory, 'outbox'), { readOnly: true });
  try {
    return disk.found();
  } finally {
    await disk.close();
  }
}

/**
 * Directory of a process that was killed after it had stored a number of messages, with those not yet transferred in the
 * journal.
 */
async function killedAfter(count: number): Promise<string> {
  const directory = await temporary();
  const run = spawnSync(process.execPath, [script, directory, String(count)]);
  expect(run.signal).toBe('SIGKILL');
  const { records } = scan(await readFile(journalIn(directory)), (await taken(directory)).journal);
  expect(records.length).toBeGreaterThan(0);
  return directory;
}

/** Offset of each record of one page. */
async function pagesOf(directory: string): Promise<number[]> {
  const { records } = scan(await readFile(journalIn(directory)), (await taken(directory)).journal);
  return records.map((_, index) => (index + 1) * pageBytes);
}

async function overwrite(file: string, at: number, text: string): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(text, at);
  await handle.close();
}

describe('the content of the journal when the agent is killed', () => {
  it('exists after the start, in order and once, with its numbers; the doctor counts it before', async () => {
    const directory = await killedAfter(20);
    expect(await checkOutbox(directory)).toMatchObject([
      { level: 'ok', detail: expect.stringMatching(/^20 messages wait/) },
    ]);
    await using again = await openIn(directory);
    expect([again.outbox.size, again.outbox.newestId, again.outbox.dropped]).toEqual([20, 20, 0]);
    expect(again.store.newestSequence('top')).toBe(20);
    await again.put(21);
    expect(await readAll(again.outbox)).toEqual(upTo(21));
    await until(async () => (await taken(directory)).queues.get('one')?.messages === 21, {
      what: 'the store to take over',
    });
    expect(await readAll(again.outbox)).toEqual(upTo(21));
  });

  it('can be read repeatedly, and is never doubled', async () => {
    const directory = await killedAfter(20);
    const before = join(directory, 'before');
    await copyFile(journalIn(directory), before);
    for (const _ of upTo(3)) {
      // Killed again, as soon as the first of them could be transferred.
      expect(spawnSync(process.execPath, [script, directory, '0']).signal).toBe('SIGKILL');
    }
    {
      await using again = await openIn(directory);
      expect(await readAll(again.outbox)).toEqual(upTo(20));
      for (const n of upTo(5)) again.outbox.ack((await again.outbox.next(n - 1, never)).id);
    }
    // An old journal: the store knows that it received all of it, and that some was delivered.
    await copyFile(before, journalIn(directory));
    await using again = await openIn(directory);
    expect(await readAll(again.outbox)).toEqual(upTo(20, 6));
    expect(again.outbox.dropped).toBe(0);
  });

  it('is complete at any time of the kill', async () => {
    const directory = await temporary();
    const random = seededRandom(5);
    let said = 0;
    for (const _ of upTo(6)) {
      const child = spawn(process.execPath, [script, directory, '100000'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const before = said;
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said = Math.max(said, ...text.trim().split('\n').slice(0, -1).map(Number));
      });
      await until(() => said > before + 5, { what: 'parts to be stored' });
      await sleep(random.next() * 500);
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    await using again = await openIn(directory);
    const newest = again.store.newestSequence('top');
    expect(newest).toBeGreaterThanOrEqual(said);
    expect(await readAll(again.outbox)).toEqual(upTo(newest));
    expect(again.outbox.dropped).toBe(0);
  }, 90_000);
});

describe('a record of the journal', () => {
  it('that was torn was never stored: the rest exists, and no damage is reported', async () => {
    const directory = await killedAfter(5);
    const last = (await pagesOf(directory)).at(-1)!;
    await overwrite(journalIn(directory), last + 40, 'torn');
    await using again = await openIn(directory);
    const kept = await readAll(again.outbox);
    expect(kept).toEqual(upTo(4));
    expect(again.outbox.dropped).toBe(0);
    expect(again.log.join('')).not.toContain('cannot be read');
    await again.put(5);
    expect(await readAll(again.outbox)).toEqual(upTo(5));
  });

  it('that is damaged is set aside with a warning and counted, and the others are sent', async () => {
    const directory = await killedAfter(5);
    const pages = await pagesOf(directory);
    await overwrite(journalIn(directory), pages.at(-3)! + 40, 'gone');
    {
      await using again = await openIn(directory);
      expect(await readAll(again.outbox)).toEqual([1, 2, 4, 5]);
      expect([again.outbox.size, again.outbox.dropped, again.store.newestSequence('top')]).toEqual([4, 1, 5]);
      expect(again.log.join('')).toContain("records of the outbox's journal cannot be read");
    }
    const [aside] = (await readdir(directory)).filter((name) => name.startsWith('outbox.damaged-'));
    expect((await readFile(join(directory, aside!, 'journal'))).toString('latin1')).toContain('gone');
    await using later = await openIn(directory);
    expect([later.outbox.size, later.outbox.dropped]).toEqual([4, 1]);
    expect(later.log.join('')).not.toContain('cannot be read');
  });

  it('of an earlier round is not used as a new one', async () => {
    const directory = await temporary();
    {
      await using one = await openIn(directory);
      for (const n of upTo(30)) await one.put(n);
      for (const n of upTo(30)) one.outbox.ack((await one.outbox.next(n - 1, never)).id);
    }
    {
      await using two = await openIn(directory);
      await two.put(31);
      expect(await readAll(two.outbox)).toEqual([31]);
    }
    await using three = await openIn(directory);
    expect(await readAll(three.outbox)).toEqual([31]);
  });
});

describe('a journal that cannot be read', () => {
  const spoilt: Record<string, (file: string) => Promise<void>> = {
    'is of another version': (file) => overwrite(file, 'qc-edge-agent outbox journal '.length, '2'),
    'does not start with the title': (file) => overwrite(file, 0, 'xyz'),
    'is empty': async (file) => (await open(file, 'w')).close(),
  };
  for (const [how, spoil] of Object.entries(spoilt)) {
    it(`${how}: it is renamed, the store continues, and a new one is used`, async () => {
      const directory = await killedAfter(5);
      {
        await using store = await openIn(directory);
        expect(await readAll(store.outbox)).toEqual(upTo(5));
      }
      await spoil(journalIn(directory));
      await using again = await openIn(directory);
      expect(again.log.join('')).toContain('could not be read and was set aside');
      expect(await readAll(again.outbox)).toEqual(upTo(5));
      await again.put(6);
      expect((await stat(journalIn(directory))).size).toBe(1_024 * pageBytes);
      expect(await checkOutbox(directory)).toMatchObject([
        { level: 'ok', detail: expect.stringMatching(/^6 messages wait/) },
        { level: 'warn', detail: expect.stringContaining('outbox.damaged-') },
      ]);
    });
  }

  it('keeps only the newest renamed files', async () => {
    const directory = await temporary();
    for (const _ of upTo(5)) {
      await using store = await openIn(directory);
      await store.put(1);
      await overwrite(journalIn(directory), 0, 'xyz');
    }
    const aside = (await readdir(directory)).filter((name) => name.startsWith('outbox.damaged-'));
    expect(aside).toHaveLength(3);
  });
});

describe.skipIf(fileLimitMissing)('a full disk', () => {
  it('for the journal: the store receives the results directly', async () => {
    const directory = await temporary();
    let n = 0;
    {
      await using one = await openIn(directory);
      const text = 'x'.repeat(100 * pageBytes);
      // Messages acknowledged immediately are in the journal only, so that the next record exceeds the maximum file length.
      // If the store receives messages in between, the journal restarts: then repeat it.
      await until(async () => {
        await one.store.put([one.outbox.letter({ n: ++n, text })], { camera: 'top', sequence: n });
        one.outbox.ack((await one.outbox.next(n - 1, never)).id);
        limitFiles(process.pid, 100 * pageBytes);
        try {
          await one.put(++n);
        } finally {
          limitFiles(process.pid, 'unlimited');
        }
        return one.log.join('').includes('the journal cannot be written');
      });
      expect(one.store.fault).toBe('');
      await one.put(++n);
    }
    await using again = await openIn(directory);
    const small = upTo(n).filter((m) => m % 2 === 0 || m === n);
    expect(await readAll(again.outbox)).toEqual(small);
    expect(again.store.newestSequence('top')).toBe(n);
  });

  it('for the store: the journal keeps the results, and the store receives them when there is free space', async () => {
    const directory = await killedAfter(20);
    limitFiles(process.pid, (await stat(join(directory, 'outbox', 'data.mdb'))).size);
    try {
      await using again = await openIn(directory);
      expect(await readAll(again.outbox)).toEqual(upTo(20));
    } finally {
      limitFiles(process.pid, 'unlimited');
    }
    await using later = await openIn(directory);
    expect(await readAll(later.outbox)).toEqual(upTo(20));
    await until(async () => (await taken(directory)).queues.get('one')?.messages === 20);
  });

  it('without a journal: results wait for the store until a journal can be created', async () => {
    const directory = await temporary();
    limitFiles(process.pid, 200_000);
    try {
      await using one = await openIn(directory);
      expect(one.log.join('')).toContain('the outbox has no journal');
      for (const n of upTo(5)) await one.put(n);
      expect(one.store.fault).toBe('');
    } finally {
      limitFiles(process.pid, 'unlimited');
    }
    await using again = await openIn(directory);
    await again.put(6);
    expect(await readAll(again.outbox)).toEqual(upTo(6));
    expect((await stat(journalIn(directory))).size).toBe(1_024 * pageBytes);
  });
});

describe('while results arrive', () => {
  it('they are delivered in order and without a gap, beyond the size of the journal', async () => {
    const directory = await temporary();
    const count = 6_000;
    const text = 'x'.repeat(1_500);
    {
      await using one = await openIn(directory);
      const seen: number[] = [];
      const consumer = (async () => {
        for (let after = 0; seen.length < count; ) {
          const entry = await one.outbox.next(after, never);
          after = entry.id;
          seen.push(entry.message.n);
          // Every fourth is not acknowledged: it must exist later.
          if (entry.message.n % 4 !== 0) one.outbox.ack(entry.id);
        }
      })();
      let n = 0;
      const putter = async () => {
        while (n < count) await one.store.put([one.outbox.letter({ n: ++n, text })]);
      };
      await Promise.all([...upTo(32).map(putter), consumer]);
      expect(seen).toEqual(upTo(count));
      expect([one.store.fault, one.outbox.dropped, one.outbox.size]).toEqual(['', 0, count / 4]);
    }
    await using again = await openIn(directory);
    expect(await readAll(again.outbox)).toEqual(upTo(count).filter((n) => n % 4 === 0));
  });
});
