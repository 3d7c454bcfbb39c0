/** The store's thread, restarted after a crash. */
import { FaultLog, type Log } from '../../lifecycle/log.ts';
import { retry } from '../../lifecycle/retry.ts';
import { type DiskThread, type OpenDisk, openDiskThread } from './disk-thread.ts';

export type LastingDisk = Pick<DiskThread, 'found' | 'change' | 'read' | 'close'>;

/** Maximum time that a request waits for the next thread, ms. */
const patienceMs = 5_000;
/** Number of threads that may crash during one request before it fails. */
const maxDeaths = 2;

/**
 * Requests to a crashed thread are repeated to the next one: changes are idempotent, so a repeated one does no harm.
 * @throws DiskError if the store cannot be opened the first time
 */
export async function openLastingDisk(options: OpenDisk, log: Log): Promise<LastingDisk> {
  const closing = new AbortController();
  const { signal } = closing;
  const faults = new FaultLog(log);
  const waiting = new Set<() => void>();
  let thread = await openDiskThread(options);
  const { found } = thread;

  const attempt = async () => {
    if (!thread.isAlive) thread = await openDiskThread(options);
    for (const go of waiting) go();
    waiting.clear();
    if (signal.aborted) await thread.close();
    await thread.gone;
  };
  const running = retry(attempt, {
    signal,
    maxMs: 10_000,
    onFailure: (error, waitMs) => {
      faults.warn(`outbox: ${(error as Error).message}; it is restarted`, { waitMs });
    },
  });

  /** Waits until the thread is back, for a while. */
  const back = () =>
    new Promise<void>((resolve) => {
      const go = () => {
        clearTimeout(enough);
        waiting.delete(go);
        resolve();
      };
      const enough = setTimeout(go, patienceMs);
      if (thread.isAlive || signal.aborted) go();
      else waiting.add(go);
    });
  async function ask<T>(call: (asked: DiskThread) => Promise<T>): Promise<T> {
    for (let deaths = 0; ; deaths++) {
      if (!thread.isAlive) await back();
      const asked = thread;
      try {
        return await call(asked);
      } catch (error) {
        if (asked.isAlive || signal.aborted || deaths === maxDeaths) throw error;
      }
    }
  }

  return {
    found,
    change: (change) => ask((asked) => asked.change(change)),
    read: (queue, after, limit) => ask((asked) => asked.read(queue, after, limit)),
    async close() {
      closing.abort();
      for (const go of waiting) go();
      await thread.close();
      await running;
    },
  };
}
