/** Tests for every outbox, in memory or on disk. */
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Outbox, OutboxStore } from '../../../../agent/publish/outbox/outbox.ts';

export const schema = z.object({ n: z.number(), text: z.string().optional() });
export type Message = z.output<typeof schema>;

const never = new AbortController().signal;

/** All waiting messages above `after`, in order. */
export async function readAll(outbox: Outbox<Message>, after = 0): Promise<number[]> {
  const seen: number[] = [];
  while (seen.length < outbox.size) {
    const entry = await outbox.next(after, never);
    after = entry.id;
    seen.push(entry.message.n);
  }
  return seen;
}

export function outboxContract(
  name: string,
  open: (capacity: number) => Promise<OutboxStore> | OutboxStore,
): void {
  describe(`${name} fulfils the contract of an outbox`, () => {
    const opened: OutboxStore[] = [];
    const openOne = async (capacity = 100) => {
      const store = await open(capacity);
      opened.push(store);
      const outbox = store.queue('one', schema);
      const put = (n: number) => store.put([outbox.letter({ n })]);
      return { store, outbox, put };
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store[Symbol.asyncDispose]();
    });

    it('delivers in the order of `put`, and again from any point', async () => {
      const { outbox, put } = await openOne();
      for (let n = 1; n <= 5; n++) await put(n);
      expect(await readAll(outbox)).toEqual([1, 2, 3, 4, 5]);
      expect(await readAll(outbox)).toEqual([1, 2, 3, 4, 5]);
      const second = await outbox.next((await outbox.next(0, never)).id, never);
      expect(second.message.n).toBe(2);
    });

    it('gives one queue for a name, with the earlier messages', async () => {
      const { store, outbox, put } = await openOne();
      await put(1);
      const again = store.queue('one', schema);
      await put(2);
      expect(await readAll(again)).toEqual([1, 2]);
      again.ack((await again.next(0, never)).id);
      expect([outbox.size, store.size]).toEqual([1, 1]);
    });

    it('keeps the order of concurrent `put` calls', async () => {
      const { outbox, put } = await openOne();
      await Promise.all(Array.from({ length: 50 }, (_, index) => put(index + 1)));
      expect(await readAll(outbox)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    });

    it('forgets acknowledged messages, in any order', async () => {
      const { outbox, put } = await openOne();
      for (let n = 1; n <= 3; n++) await put(n);
      const first = await outbox.next(0, never);
      const second = await outbox.next(first.id, never);
      outbox.ack(second.id);
      outbox.ack(second.id);
      outbox.ack(12_345);
      expect(outbox.size).toBe(2);
      expect((await outbox.next(0, never)).id).toBe(first.id);
      expect((await outbox.next(first.id, never)).message.n).toBe(3);
      expect(outbox.dropped).toBe(0);
    });

    it('gives every consumer its own queue and position, from one put', async () => {
      const { store, outbox } = await openOne();
      const other = store.queue('other', schema);
      await store.put([outbox.letter({ n: 1 }), other.letter({ n: 1 }), other.letter({ n: 2 })]);
      outbox.ack((await outbox.next(0, never)).id);
      expect([outbox.size, other.size, store.size]).toEqual([0, 2, 2]);
      expect(await readAll(other)).toEqual([1, 2]);
    });

    it('remembers the newest number of each camera', async () => {
      const { store, outbox } = await openOne();
      expect(store.newestSequence('top')).toBe(0);
      await store.put([outbox.letter({ n: 1 })], { camera: 'top', sequence: 41 });
      await store.put([outbox.letter({ n: 1 })], { camera: 'side', sequence: 7 });
      expect([store.newestSequence('top'), store.newestSequence('side')]).toEqual([41, 7]);
    });

    it('waits for the next message', async () => {
      const { outbox, put } = await openOne();
      const waiting = outbox.next(0, never);
      await put(7);
      expect((await waiting).message.n).toBe(7);
      expect((await waiting).id).toBe(outbox.newestId);
    });

    it('stops waiting on request', async () => {
      const { outbox } = await openOne();
      const stop = new AbortController();
      const waiting = outbox.next(0, stop.signal);
      stop.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
    });

    it('drops the oldest when full, and counts', async () => {
      const { outbox, store, put } = await openOne(10);
      for (let n = 1; n <= 13; n++) await put(n);
      expect([outbox.size, outbox.dropped, store.dropped]).toEqual([10, 3, 3]);
      expect((await outbox.next(0, never)).message.n).toBe(4);
    });

    it('counts messages that the receiver refuses', async () => {
      const { outbox, put } = await openOne();
      await put(1);
      outbox.discard((await outbox.next(0, never)).id);
      expect([outbox.size, outbox.dropped]).toEqual([0, 1]);
    });

    it('knows the waiting time of the oldest message', async () => {
      const { outbox, put } = await openOne();
      expect(outbox.oldestAgeMs).toBe(0);
      await put(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(outbox.oldestAgeMs).toBeGreaterThan(0);
      outbox.ack((await outbox.next(0, never)).id);
      expect(outbox.oldestAgeMs).toBe(0);
    });
  });
}
