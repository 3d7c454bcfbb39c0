import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Part } from '../../../agent/inspect.ts';
import { PartQueue } from '../../../agent/part/queue.ts';
import type { Frame } from '../../../models/image.ts';

const signal = new AbortController().signal;

function part(n: number, more: Partial<Part> = {}): Part {
  const frame = { camera: 'top', capturedAt: n } as Frame;
  const names = { partId: `P-${n}`, jobId: `J-${n}`, recipe: 'default' };
  return { ...names, frames: [frame, frame], foundAt: n, ...more };
}

function open(maxWaitMs = 60_000) {
  let shed = 0;
  const queue = new PartQueue({
    maxWaitMs,
    onShed: (frames) => {
      shed += frames;
    },
  });
  return {
    queue,
    get shed() {
      return shed;
    },
    async all() {
      const taken: Part[] = [];
      while (queue.length > 0) taken.push(await queue.take(signal));
      return taken;
    },
  };
}

test('the oldest of too many parts fail: each has its result, in order, and their frames are counted', async () => {
  const opened = open();
  for (let n = 0; n < 20; n++) opened.queue.push(part(n));
  const taken = await opened.all();
  expect(taken.map(({ partId }) => partId)).toEqual(Array.from({ length: 20 }, (_, n) => `P-${n}`));
  const failed = taken.filter(({ failure }) => failure !== undefined);
  expect(failed.map(({ partId }) => partId)).toEqual(Array.from({ length: 12 }, (_, n) => `P-${n}`));
  expect(failed.every(({ frames }) => frames.length === 0)).toBe(true);
  expect(opened.shed).toBe(24);
});

test('a failed part takes no place in the queue', async () => {
  const opened = open();
  for (let n = 0; n < 20; n++) opened.queue.push(part(n, { failure: 'camera lost', frames: [] }));
  for (let n = 20; n < 28; n++) opened.queue.push(part(n));
  const taken = await opened.all();
  expect(taken.filter(({ frames }) => frames.length > 0)).toHaveLength(8);
  expect(opened.shed).toBe(0);
});

test('a part that waited too long fails with its waiting time, the next one is judged', async () => {
  const opened = open(30);
  opened.queue.push(part(1));
  await sleep(60);
  opened.queue.push(part(2));
  const [late, next] = await opened.all();
  expect(late).toMatchObject({ partId: 'P-1', frames: [], failure: expect.stringMatching(/waited \d+ ms/) });
  expect(next).toMatchObject({ partId: 'P-2', frames: [{}, {}] });
  expect(opened.shed).toBe(2);
});

test('one replaced by a newer one is counted', async () => {
  const opened = open();
  opened.queue.push(part(1));
  opened.queue.dropLast('P-0');
  expect(opened.shed).toBe(0);
  opened.queue.dropLast('P-1');
  expect(opened.queue.length).toBe(0);
  expect(opened.shed).toBe(2);
});
