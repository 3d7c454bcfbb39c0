/** The thread of the store ends: it is restarted, and nothing is lost or delayed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDisk } from '../../../../agent/publish/outbox/disk.ts';
import { fileLimitMissing, limitFiles } from '../../../rigs/file-limit.ts';
import { until } from '../../../rigs/until.ts';
import { readAll } from './contract.ts';
import { openIn, upTo } from './opened.ts';

let directory: string;
const threads: Worker[] = [];
const noted = (worker: Worker) => void threads.push(worker);
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qc-thread-'));
  process.on('worker', noted);
});
afterEach(async () => {
  process.off('worker', noted);
  threads.splice(0);
  await rm(directory, { recursive: true, force: true });
});

const never = new AbortController().signal;

it('continues to store without the thread, reads from the next one, and transfers the messages', async () => {
  const taken = async () => {
    const disk = openDisk(join(directory, 'outbox'), { readOnly: true });
    const { queues } = disk.found();
    await disk.close();
    return queues.get('one');
  };
  {
    await using one = await openIn(directory);
    for (const n of upTo(300)) await one.put(n);
    for (const n of upTo(100)) one.outbox.ack((await one.outbox.next(n - 1, never)).id);
    for (const death of upTo(3)) {
      const thread = threads.at(-1)!;
      const before = threads.length;
      const putting = upTo(300 + death * 50, 251 + death * 50).map((n) => one.put(n));
      await thread.terminate();
      await Promise.all(putting);
      expect(one.store.fault).toBe('');
      expect(await readAll(one.outbox, 100)).toEqual(upTo(300 + death * 50, 101));
      await until(() => threads.length > before, { what: 'another thread' });
    }
    expect(one.log.join('')).toContain("the outbox's thread has ended; it is restarted");
    await until(async () => (await taken())?.newestId === 450, { what: 'the store to take over' });
  }
  expect(await taken()).toMatchObject({ messages: 350, dropped: 0 });
  await using again = await openIn(directory);
  expect(await readAll(again.outbox)).toEqual(upTo(450, 101));
});

it('can be closed without the thread: the messages of the journal exist at the next start', async () => {
  {
    await using one = await openIn(directory);
    for (const n of upTo(10)) await one.put(n);
    await threads.at(-1)!.terminate();
    await one.put(11);
  }
  await using again = await openIn(directory);
  expect(await readAll(again.outbox)).toEqual(upTo(11));
});

it.skipIf(fileLimitMissing)('waits for the new thread if there is no journal', async () => {
  limitFiles(process.pid, 200_000);
  try {
    await using one = await openIn(directory);
    for (const n of upTo(10)) await one.put(n);
    await threads.at(-1)!.terminate();
    await one.put(11);
    expect(one.store.fault).toBe('');
    const dying = [12, 13, 14].map((n) => one.put(n));
    await threads.at(-1)!.terminate();
    await Promise.all(dying);
    expect(one.store.fault).toBe('');
  } finally {
    limitFiles(process.pid, 'unlimited');
  }
  await using again = await openIn(directory);
  expect(await readAll(again.outbox)).toEqual(upTo(14));
});
