/** What every outbox must do, in memory or on disk. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Outbox, OutboxMessage } from '../../../agent/publish/outbox.ts';

export function verdict(sequence: number, camera = 'top'): OutboxMessage {
  const payload = { schema: 1, sequence, partId: `P-${sequence}`, verdict: 'pass', evaluation: 1 } as const;
  return { kind: 'verdict', camera, payload };
}

const sequenceOf = (message: OutboxMessage) => message.payload.sequence;

export function outboxContract(name: string, open: (capacity: number) => Promise<Outbox> | Outbox): void {
  describe(`${name} keeps the contract of an outbox`, () => {
    const opened: Outbox[] = [];
    const never = new AbortController().signal;
    const openOne = async (capacity = 100) => {
      const outbox = await open(capacity);
      opened.push(outbox);
      return outbox;
    };
    afterEach(async () => {
      for (const outbox of opened.splice(0)) await outbox[Symbol.asyncDispose]();
    });

    it('hands out in the order of putting, and again from any point', async () => {
      const outbox = await openOne();
      for (let i = 1; i <= 5; i++) await outbox.put(verdict(i));
      const readAll = async () => {
        const seen: number[] = [];
        for (let after = 0; seen.length < outbox.size; ) {
          const entry = await outbox.next(after, never);
          after = entry.id;
          seen.push(sequenceOf(entry.message));
        }
        return seen;
      };
      expect(await readAll()).toEqual([1, 2, 3, 4, 5]);
      expect(await readAll()).toEqual([1, 2, 3, 4, 5]);
    });

    it('forgets what is acknowledged, in whatever order', async () => {
      const outbox = await openOne();
      for (let i = 1; i <= 3; i++) await outbox.put(verdict(i));
      const first = await outbox.next(0, never);
      const second = await outbox.next(first.id, never);
      await outbox.ack(second.id);
      await outbox.ack(second.id);
      expect(outbox.size).toBe(2);
      expect((await outbox.next(0, never)).id).toBe(first.id);
      expect(sequenceOf((await outbox.next(first.id, never)).message)).toBe(3);
      expect(outbox.dropped).toBe(0);
    });

    it('waits for the next message', async () => {
      const outbox = await openOne();
      const waiting = outbox.next(0, never);
      await outbox.put(verdict(7));
      expect(sequenceOf((await waiting).message)).toBe(7);
      expect((await waiting).id).toBe(outbox.newestId);
    });

    it('stops waiting when told to', async () => {
      const outbox = await openOne();
      const stop = new AbortController();
      const waiting = outbox.next(0, stop.signal);
      stop.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
    });

    it('drops the oldest when full, and counts', async () => {
      const outbox = await openOne(10);
      for (let i = 1; i <= 13; i++) await outbox.put(verdict(i));
      expect(outbox.size).toBe(10);
      expect(outbox.dropped).toBe(3);
      expect(sequenceOf((await outbox.next(0, never)).message)).toBe(4);
    });

    it('counts what the broker will never take', async () => {
      const outbox = await openOne();
      await outbox.put(verdict(1));
      await outbox.discard((await outbox.next(0, never)).id);
      expect([outbox.size, outbox.dropped]).toEqual([0, 1]);
    });

    it('knows how long the oldest has waited', async () => {
      const outbox = await openOne();
      expect(outbox.oldestAgeMs).toBe(0);
      await outbox.put(verdict(1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(outbox.oldestAgeMs).toBeGreaterThan(0);
    });
  });
}
