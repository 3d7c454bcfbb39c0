/** What waits to be published. The sender takes in order and removes only what the broker has acknowledged. */
import type { Result, VerdictMessage } from './messages.ts';

/** A payload stays an object until it is sent: `publishedAt` and `historical` are only known then. */
export type OutboxMessage =
  | { readonly kind: 'result'; readonly camera: string; readonly payload: Result }
  | { readonly kind: 'verdict'; readonly camera: string; readonly payload: VerdictMessage };

export interface OutboxEntry {
  /** Counts up with every message put; survives a restart where the store does. */
  readonly id: number;
  readonly message: OutboxMessage;
}

export interface Outbox extends AsyncDisposable {
  /** Resolves once the message is stored as safely as this outbox stores; drops the oldest when full. */
  put(message: OutboxMessage): Promise<void>;
  /** The oldest entry with an id above `after`, waiting for one; rejects only when the signal aborts. */
  next(after: number, signal: AbortSignal): Promise<OutboxEntry>;
  /** The broker has it. An id that is gone already is no error. */
  ack(id: number): Promise<void>;
  /** The broker will never take it: removed and counted as dropped. */
  discard(id: number): Promise<void>;
  /** Messages stored and not yet acknowledged. */
  readonly size: number;
  /** Id of the newest message ever put, 0 before the first. */
  readonly newestId: number;
  /** How long the oldest message has waited, ms; 0 when empty. */
  readonly oldestAgeMs: number;
  /** Messages thrown away so far, undelivered as far as we know. */
  readonly dropped: number;
}

/** An outbox in memory: lost with the process. @param capacity messages kept; beyond it the oldest go */
export function openMemoryOutbox(capacity: number): Outbox {
  const entries = new Map<number, OutboxEntry & { readonly putAt: number }>();
  const waiting = new Set<() => void>();
  let newestId = 0;
  let dropped = 0;

  const oldest = () => entries.values().next().value;
  const after = (id: number) => {
    // Only what is in flight lies at or below the id: a short walk.
    for (const entry of entries.values()) if (entry.id > id) return entry;
    return undefined;
  };

  return {
    async put(message) {
      const id = ++newestId;
      entries.set(id, { id, message, putAt: performance.now() });
      for (let first = oldest(); first && entries.size > capacity; first = oldest()) {
        entries.delete(first.id);
        dropped++;
      }
      for (const wake of waiting) wake();
      waiting.clear();
    },
    async next(id, signal) {
      for (;;) {
        signal.throwIfAborted();
        const entry = after(id);
        if (entry) return entry;
        await new Promise<void>((resolve) => {
          const wake = () => {
            signal.removeEventListener('abort', wake);
            waiting.delete(wake);
            resolve();
          };
          signal.addEventListener('abort', wake);
          waiting.add(wake);
        });
      }
    },
    async ack(id) {
      entries.delete(id);
    },
    async discard(id) {
      if (entries.delete(id)) dropped++;
    },
    get size() {
      return entries.size;
    },
    get newestId() {
      return newestId;
    },
    get oldestAgeMs() {
      const first = oldest();
      return first ? performance.now() - first.putAt : 0;
    },
    get dropped() {
      return dropped;
    },
    async [Symbol.asyncDispose]() {
      entries.clear();
    },
  };
}
