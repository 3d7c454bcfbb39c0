/**
 * What waits to be delivered. A store holds one queue for each consumer; what belongs to one part is put into
 * all of them at once. A consumer takes in order and removes only what its other side has acknowledged.
 */
import type { z } from 'zod';

export interface OutboxEntry<M> {
  /** Counts up with every message put into the queue; goes on after a restart where the store does. */
  readonly id: number;
  readonly message: M;
}

/** A message and the queue it goes into; only `Outbox.letter` makes one. */
export interface Letter {
  readonly queue: string;
  readonly message: unknown;
}

/** One consumer's messages, in the order they were put. */
export interface Outbox<M> {
  /** Addresses a message to this queue, for `OutboxStore.put`. */
  letter(message: M): Letter;
  /**
   * The oldest entry with an id above `after`, waiting for one; rejects when the signal aborts, and once if older messages
   * are found later: then whoever reads starts again with 0.
   */
  next(after: number, signal: AbortSignal): Promise<OutboxEntry<M>>;
  /**
   * The other side has it: never handed out again by this process. The disk forgets it a moment later, so that
   * after a kill it may come once more. An id that is gone already is no error.
   */
  ack(id: number): void;
  /** The other side will never take it: removed and counted as dropped. */
  discard(id: number): void;
  /** Messages put and not yet acknowledged. */
  readonly size: number;
  /** Id of the newest message ever put, 0 before the first. */
  readonly newestId: number;
  /** How long the oldest message has waited, ms; 0 when empty. */
  readonly oldestAgeMs: number;
  /** Messages thrown away so far, undelivered as far as we know. */
  readonly dropped: number;
}

/** The number of the part that the messages are about. */
export interface Numbered {
  readonly camera: string;
  readonly sequence: number;
}

export interface OutboxStore extends AsyncDisposable {
  /**
   * A consumer's queue by its name: one for all who ask, with the same messages after a restart.
   * @param schema what the consumer needs of a stored message; one that does not fit is set aside and counted.
   * It must take what earlier versions have stored: ask for no more than is needed to send it.
   */
  queue<M>(name: string, schema: z.ZodType<M>): Outbox<M>;
  /**
   * Puts all the letters and the number of their part, or none of it. Resolves once they are stored as safely as this
   * store stores, and only then are they handed out. Drops the oldest where a queue is full.
   */
  put(letters: readonly Letter[], part?: Numbered): Promise<void>;
  /** The newest number put for this camera; 0 before the first. */
  newestSequence(camera: string): number;
  /** Why messages are not stored as safely as promised, with what to do; empty where they are. */
  readonly fault: string;
  /** Over all queues: messages, the oldest one's age in ms, and messages thrown away. */
  readonly size: number;
  readonly oldestAgeMs: number;
  readonly dropped: number;
}
