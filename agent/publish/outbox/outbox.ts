/**
 * Messages to be delivered. A store contains one queue for each consumer; the messages of one part are put into all of them
 * at once. A consumer reads in order and removes only what its receiver has acknowledged.
 */
import type { z } from 'zod';

export interface OutboxEntry<M> {
  /** Increases with every message put into the queue; continues after a restart if the store is persistent. */
  readonly id: number;
  readonly message: M;
}

/** A message addressed to a queue; made by `Outbox.letter` only. */
export interface Letter {
  readonly queue: string;
  readonly message: unknown;
}

/** Messages of one consumer, in the order in which they were put. */
export interface Outbox<M> {
  /** Addresses a message to this queue, for `OutboxStore.put`. */
  letter(message: M): Letter;
  /**
   * The oldest entry with an id above `after`, waits until there is one. Rejects when the signal aborts, and once when
   * older messages are found later: then the reader must start again with 0.
   */
  next(after: number, signal: AbortSignal): Promise<OutboxEntry<M>>;
  /**
   * The receiver has it: this process never delivers it again. It is removed from the disk a moment later, so it may be
   * delivered once more after a kill. An id that was already removed is ignored.
   */
  ack(id: number): void;
  /** The receiver will never accept it: it is removed and counted as dropped. */
  discard(id: number): void;
  /** Number of unacknowledged messages. */
  readonly size: number;
  /** Id of the newest message ever put, 0 before the first. */
  readonly newestId: number;
  /** Age of the oldest message, ms; 0 if empty. */
  readonly oldestAgeMs: number;
  /** Number of messages discarded so far, probably undelivered. */
  readonly dropped: number;
}

/** The number of the part that the messages are about. */
export interface Numbered {
  readonly camera: string;
  readonly sequence: number;
}

export interface OutboxStore extends AsyncDisposable {
  /**
   * A consumer's queue by its name: all callers share it, and it has the same messages after a restart.
   * @param schema the required content of a stored message; messages that do not match are set aside and counted. It must
   * accept what earlier versions have stored, so it should require only what is needed for sending.
   */
  queue<M>(name: string, schema: z.ZodType<M>): Outbox<M>;
  /**
   * Puts all the letters and the number of their part, or nothing. Resolves once they are stored as safely as the store
   * can, and only then delivers them. Drops the oldest messages of a full queue.
   */
  put(letters: readonly Letter[], part?: Numbered): Promise<void>;
  /** The newest sequence number of this camera; 0 before the first. */
  newestSequence(camera: string): number;
  /** Why messages are not stored as safely as promised, and what to do; empty if they are. */
  readonly fault: string;
  /** Totals of all queues: messages, age of the oldest one in ms, discarded messages. */
  readonly size: number;
  readonly oldestAgeMs: number;
  readonly dropped: number;
}
