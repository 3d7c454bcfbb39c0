/**
 * A store on a disk that fails when the agent starts. It neither reads nor writes until it can be opened. Then the
 * journal's earlier content is copied to the store, and the listener receives what was found.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultLog, type Log } from '../../lifecycle/log.ts';
import { retry } from '../../lifecycle/retry.ts';
import { outboxClock } from './clock.ts';
import type { Found, QueueChange } from './disk.ts';
import { DiskError, type OpenDisk } from './disk-thread.ts';
import type { Journal } from './journal.ts';
import type { LastingDisk } from './lasting-disk.ts';
import { type Replayed, replay } from './replay.ts';
import { type OpenStore, openStore } from './store.ts';

export interface LateStore {
  readonly disk: LastingDisk;
  readonly journal: Journal;
  /** Called once, before anything is written, with the state of the store including the journal. */
  onOpen(listener: (found: Found) => void): void;
}

export interface LateStoreOptions extends OpenDisk {
  readonly retryMs: number;
  /** Why it could not be opened. */
  readonly why: string;
  /** Newest sequence numbers that could be read. */
  readonly sequences: ReadonlyMap<string, number>;
}

export function openLateStore(
  { why, sequences, retryMs, ...options }: LateStoreOptions,
  log: Log,
): LateStore {
  /** Aborted once it is open, or closed. */
  const isOpen = new AbortController();
  const faults = new FaultLog(log);
  let store: OpenStore | undefined;
  let reason = why;
  let tell: (found: Found) => void = () => undefined;

  async function attempt(): Promise<void> {
    const opened = await openStore(options, log);
    try {
      const replayed = replay(opened.disk.found, opened.journal.found.records ?? []);
      await takeOver(opened, replayed);
      const journal = opened.journal.found.records.at(-1)?.number ?? opened.disk.found.journal;
      tell({ ...replayed.found, journal });
      store = opened;
      isOpen.abort();
    } catch (error) {
      await opened.disk.close();
      await opened.journal.close();
      throw error;
    }
  }
  const opening = sleep(retryMs, undefined, { signal: isOpen.signal, ref: false })
    .then(() =>
      retry(attempt, {
        signal: isOpen.signal,
        minMs: retryMs,
        maxMs: retryMs,
        onFailure(error) {
          reason = (error as Error).message;
          faults.warn(`outbox: it cannot be opened yet: ${reason}`);
        },
      }),
    )
    .catch(() => undefined);

  return {
    disk: {
      found: { ...nothing, sequences },
      async change(change) {
        if (!store) throw new DiskError(reason);
        return store.disk.change(change);
      },
      read: async (queue, after, limit) => (store ? store.disk.read(queue, after, limit) : []),
      async close() {
        isOpen.abort();
        await opening;
        await store?.disk.close();
      },
    },
    journal: {
      found: { records: [], end: 0, damaged: 0 },
      get isFilling() {
        return store?.journal.isFilling ?? false;
      },
      write: (parts, mayGrow) => store?.journal.write(parts, mayGrow),
      taken: (number) => store?.journal.taken(number),
      close: async () => store?.journal.close(),
    },
    onOpen(listener) {
      tell = listener;
    },
  };
}

const nothing: Omit<Found, 'sequences'> = {
  queues: new Map(),
  time: undefined,
  journal: 0,
  setAside: 0,
  bytes: 0,
  transaction: 0,
  newestTransaction: 0,
  damage: undefined,
};
/** Parts in one transaction. */
const atOnce = 500;
const endless = { messages: 1e9, bytes: 1e15, ageMs: 1e15 };

/** Copies records that only the journal has to the store. */
async function takeOver({ disk }: OpenStore, { found, parts }: Replayed): Promise<void> {
  for (let from = 0; from < parts.length; from += atOnce) {
    const some = parts.slice(from, from + atOnce);
    const isLast = from + atOnce >= parts.length;
    const queues = new Map<string, QueueChange>();
    for (const [name, { dropped }] of found.queues) {
      const put = some.flatMap(({ rows, at }) =>
        rows.filter(({ queue }) => queue === name).map(({ id, json }) => ({ id, at, json })),
      );
      const newestId = put.at(-1)?.id;
      if (newestId !== undefined) queues.set(name, { put, remove: [], setAside: [], newestId, dropped });
    }
    await disk.change({
      now: found.time ?? outboxClock(undefined).now(),
      limits: endless,
      sequences: found.sequences,
      queues,
      // The records count as copied only when all of them are.
      journal: isLast ? some.at(-1)!.record : disk.found.journal,
    });
  }
}
