/** An outbox in memory, lost when the process ends. */
import type {
  Letter,
  Numbered,
  Outbox,
  OutboxEntry,
  OutboxStore,
} from '../../agent/publish/outbox/outbox.ts';
import { Waiting } from '../../agent/publish/outbox/waiting.ts';

interface Kept extends OutboxEntry<unknown> {
  /** Monotonic time, ms. */
  readonly putAt: number;
}

/** @param capacity maximum number of messages in each queue; the oldest are dropped */
export function openMemoryOutbox(capacity: number): OutboxStore {
  const queues = new Map<string, MemoryQueue>();
  const sequences = new Map<string, number>();
  const queueOf = (name: string) => {
    const queue = queues.get(name) ?? new MemoryQueue(capacity);
    queues.set(name, queue);
    return queue;
  };
  const all = () => [...queues.values()];
  return {
    queue<M>(name: string): Outbox<M> {
      const queue = queueOf(name);
      return {
        letter: (message) => ({ queue: name, message }),
        next: (after, signal) => queue.next(after, signal) as Promise<OutboxEntry<M>>,
        ack: (id) => queue.ack(id),
        discard: (id) => queue.discard(id),
        get size() {
          return queue.size;
        },
        get newestId() {
          return queue.newestId;
        },
        get oldestAgeMs() {
          return queue.oldestAgeMs;
        },
        get dropped() {
          return queue.dropped;
        },
      };
    },
    async put(letters: readonly Letter[], part?: Numbered) {
      if (part) sequences.set(part.camera, part.sequence);
      for (const { queue, message } of letters) queueOf(queue).put(message);
    },
    newestSequence: (camera) => sequences.get(camera) ?? 0,
    fault: '',
    get size() {
      return all().reduce((sum, { size }) => sum + size, 0);
    },
    get oldestAgeMs() {
      return Math.max(0, ...all().map(({ oldestAgeMs }) => oldestAgeMs));
    },
    get dropped() {
      return all().reduce((sum, { dropped }) => sum + dropped, 0);
    },
    async [Symbol.asyncDispose]() {
      queues.clear();
    },
  };
}

class MemoryQueue {
  readonly #capacity: number;
  readonly #entries = new Map<number, Kept>();
  readonly #waiting = new Waiting();
  newestId = 0;
  dropped = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  put(message: unknown): void {
    const id = ++this.newestId;
    this.#entries.set(id, { id, message, putAt: performance.now() });
    for (let first = this.#oldest(); first && this.size > this.#capacity; first = this.#oldest()) {
      this.discard(first.id);
    }
    this.#waiting.wake();
  }

  next(after: number, signal: AbortSignal): Promise<OutboxEntry<unknown>> {
    return this.#waiting.until(() => {
      // Only messages in flight have this id or a lower one, so the loop is short.
      for (const entry of this.#entries.values()) if (entry.id > after) return entry;
      return undefined;
    }, signal);
  }

  ack(id: number): void {
    this.#entries.delete(id);
  }

  discard(id: number): void {
    if (this.#entries.delete(id)) this.dropped++;
  }

  get size(): number {
    return this.#entries.size;
  }

  get oldestAgeMs(): number {
    const first = this.#oldest();
    return first ? performance.now() - first.putAt : 0;
  }

  #oldest(): Kept | undefined {
    return this.#entries.values().next().value;
  }
}
