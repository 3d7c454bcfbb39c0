import type { Change, Found, QueueChange } from './disk.ts';
import type { DurableQueue, Leaving } from './durable-queue.ts';
import { type Group, queuesOf, rowsOf } from './groups.ts';

export interface TransactionState {
  readonly queues: ReadonlyMap<string, DurableQueue<unknown>>;
  readonly found: Found;
  /** Id of the newest message of each queue that was ever stored. */
  readonly newestTaken: ReadonlyMap<string, number>;
  /** The newest id of a queue without stored messages. */
  readonly idsAfter: number;
}

/** The changes of one transaction: puts the groups, and removes rows that were acknowledged or are damaged. */
export function transactionOf(
  groups: readonly Group[],
  { queues, found, newestTaken, idsAfter }: TransactionState,
): Pick<Change, 'sequences' | 'queues'> {
  const sequences = new Map<string, number>();
  for (const { part } of groups) if (part) sequences.set(part.camera, part.sequence);
  const changes = new Map<string, QueueChange>();
  for (const name of new Set([...queues.keys(), ...queuesOf(groups)])) {
    const rows = rowsOf(name, groups);
    const newestId = rows.at(-1)?.id ?? newestTaken.get(name) ?? idsAfter;
    const queue = queues.get(name);
    const put = rows.filter(({ id }) => !queue?.isGone(id));
    // Acknowledged rows are remembered until their group has been copied to the store.
    const known = ({ remove, setAside }: Leaving) => ({
      remove: remove.filter((id) => id <= newestId),
      setAside: setAside.filter((id) => id <= newestId),
    });
    const gone = queue ? known(queue.leaving()) : { remove: [], setAside: [] };
    // If no queue was opened for it, only messages from an earlier run can have been evicted.
    const dropped = queue?.dropped ?? found.queues.get(name)?.dropped ?? 0;
    changes.set(name, { put, ...gone, newestId, dropped });
  }
  return { sequences, queues: changes };
}
