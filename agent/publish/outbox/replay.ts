/** Adds the journal's content at the start to the content of the store. */
import type { Found, FoundQueue } from './disk.ts';
import type { JournalPart, JournalRecord } from './journal-record.ts';

export interface Replayed {
  /** State of the store as if everything had been copied. */
  readonly found: Found;
  /** Parts that are not in the store yet, oldest first. */
  readonly parts: readonly (JournalPart & { readonly record: number })[];
}

/**
 * Ids increase in storage order: rows at or below the store's newest id were already copied and may have been delivered
 * since. A gap in the ids of a queue means lost messages.
 */
export function replay(found: Found, records: readonly JournalRecord[]): Replayed {
  const queues = new Map(found.queues);
  const sequences = new Map(found.sequences);
  let time = found.time;
  const parts = records.flatMap(({ number, parts }) =>
    parts.map((one) => {
      const { at, part } = one;
      if (part) sequences.set(part.camera, Math.max(part.sequence, sequences.get(part.camera) ?? 0));
      time = Math.max(at, time ?? at);
      const rows = one.rows.filter(({ queue, id }) => {
        const before = queues.get(queue);
        if (before && id <= before.newestId) return false;
        queues.set(queue, withOne(before, id, at));
        return true;
      });
      return { at, part, rows, record: number };
    }),
  );
  return { found: { ...found, queues, sequences, time }, parts };
}

function withOne(before: FoundQueue | undefined, id: number, at: number): FoundQueue {
  const { messages, newestId, dropped, oldestAt } = before ?? {
    messages: 0,
    newestId: id - 1,
    dropped: 0,
    oldestAt: undefined,
  };
  return {
    messages: messages + 1,
    newestId: id,
    dropped: dropped + (id - newestId - 1),
    oldestAt: oldestAt ?? at,
  };
}
