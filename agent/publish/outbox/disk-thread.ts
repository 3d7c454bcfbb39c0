/** Main-loop interface of the store's thread: requests are answered in order. */
import { Worker } from 'node:worker_threads';
import type { Change, Changed, Found } from './disk.ts';
import type { Read } from './row-code.ts';

export interface OpenDisk {
  readonly directory: string;
  /** Maximum size. */
  readonly bytes: number;
}

type Call =
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'read'; readonly queue: string; readonly after: number; readonly limit: number }
  | { readonly kind: 'close' };

export interface Request {
  readonly id: number;
  readonly call: Call;
}

export interface Answer {
  readonly id: number;
  readonly value?: Found | Map<string, Changed> | Read[] | undefined;
  readonly failed?: { readonly message: string; readonly code: string | number | undefined };
}

/** An error of the store. */
export class DiskError extends Error {
  /** Error code of the operating system or of lmdb, if there is one. */
  readonly code: string | number | undefined;

  constructor(message: string, code?: string | number) {
    super(message);
    this.code = code;
  }
}

export interface DiskThread {
  readonly found: Found;
  /** Resolves once the change is on the disk. @throws DiskError if nothing was changed */
  change(change: Change): Promise<Map<string, Changed>>;
  read(queue: string, after: number, limit: number): Promise<Read[]>;
  /** Waits for earlier requests. */
  close(): Promise<void>;
  /** Whether it accepts requests: false after close or a crash. */
  readonly isAlive: boolean;
  /** Rejects with the reason when the thread has ended, also after close. */
  readonly gone: Promise<never>;
}

/** @throws DiskError if the store cannot be opened */
export async function openDiskThread(options: OpenDisk): Promise<DiskThread> {
  const worker = new Worker(new URL('./disk-worker.js', import.meta.url), {
    workerData: options,
    // Requests become garbage at once: a small young generation collects them early.
    resourceLimits: { maxYoungGenerationSizeMb: 2 },
  });
  const waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  let lastId = 0;
  let ended: DiskError | undefined;
  const answered = <T>(id: number) =>
    new Promise<T>((resolve, reject) => {
      if (ended) reject(ended);
      else waiting.set(id, { resolve, reject });
    });
  const ask = <T>(call: Call) => {
    const answer = answered<T>(++lastId);
    worker.postMessage({ id: lastId, call } satisfies Request);
    return answer;
  };
  const end = (error: DiskError) => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on('message', ({ id, value, failed }: Answer) => {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (failed) reject?.(new DiskError(failed.message, failed.code));
    else resolve?.(value as never);
  });
  worker.on('error', (error) => end(new DiskError(`the outbox's thread crashed: ${error}`)));
  const gone = new Promise<never>((_, reject) => {
    worker.on('exit', () => {
      end(new DiskError("the outbox's thread has ended"));
      reject(ended);
    });
  });
  gone.catch(() => undefined);
  const close = async () => {
    await ask({ kind: 'close' }).catch(() => undefined);
    await gone.catch(() => undefined);
  };
  try {
    const found = await answered<Found>(0);
    return {
      found,
      change: (change) => ask({ kind: 'change', change }),
      read: (queue, after, limit) => ask({ kind: 'read', queue, after, limit }),
      close,
      get isAlive() {
        return !ended;
      },
      gone,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
