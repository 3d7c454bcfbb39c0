/** What the journal held at the start, added to what the store has. */
import type { Found, FoundQueue } from './disk.ts';
import type { JournalPart, JournalRecord } from './journal-record.ts';

export interface Replayed {
  /** The store as if it had taken over everything. */
  readonly found: Found;
  /** What it has yet to take over, oldest first. */
  readonly parts: readonly (JournalPart & { readonly record: number })[];
}

/**
 * Ids count up in the order in which they are stored: what lies at or below the store's newest was taken over already, and
 * may have been delivered since. A queue that jumps over ids has lost those messages.
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
