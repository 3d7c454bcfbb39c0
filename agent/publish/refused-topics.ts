/**
 * Topics on which the broker refuses all messages or retained ones, and when each is tried again. Kept across connections.
 * A topic is open, closed until a certain time, or on test: then one message decides.
 */
import type { QcError } from '../../config/errors.ts';
import type { Log } from '../lifecycle/log.ts';
import { type RefusalReason, textOf } from './refusal.ts';

export interface TopicRefusal {
  readonly reason: RefusalReason;
  readonly error: QcError;
  /** The broker ended the connection without an answer. */
  readonly endedConnection: boolean;
  readonly isSubscription: boolean;
}

interface Closed {
  readonly topic: string;
  readonly isSubscription: boolean;
  reason: RefusalReason;
  /** Monotonic time, ms. */
  until: number;
  waitMs: number;
  isOnTest: boolean;
}

/** First and maximum time between two tests, ms: an answered refusal costs nothing, … */
const answered = { firstMs: 10_000, maxMs: 300_000 };
/** … but a lost connection delays all other messages. */
const disconnecting = { firstMs: 60_000, maxMs: 3_600_000 };
/** Maximum number of remembered topics; requesters choose response topics freely. */
const remembered = 200;

export class RefusedTopics {
  readonly #log: Log;
  readonly #closed = new Map<string, Closed>();
  readonly #unretained = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Whether a message may be sent now. If the topic is due for a test, this message is the test and its outcome must be
   * reported.
   */
  mayTry(topic: string): boolean {
    const closed = this.#closed.get(topic);
    if (!closed) return true;
    if (!this.mayTest(topic)) return false;
    closed.isOnTest = true;
    return true;
  }

  /** Whether `mayTry` would return true. */
  mayTest(topic: string): boolean {
    const closed = this.#closed.get(topic);
    return !closed || (!closed.isOnTest && performance.now() >= closed.until);
  }

  isClosed(topic: string): boolean {
    return this.#closed.has(topic);
  }

  /** Why the topic is closed; undefined if it is open. */
  reason(topic: string): RefusalReason | undefined {
    return this.#closed.get(topic)?.reason;
  }

  /** Stops reporting the topic. */
  forget(topic: string): void {
    this.#closed.delete(topic);
  }

  isOnTest(topic: string): boolean {
    return this.#closed.get(topic)?.isOnTest === true;
  }

  /** A test had no outcome. */
  testEnded(topic: string): void {
    const closed = this.#closed.get(topic);
    if (closed) closed.isOnTest = false;
  }

  /** The connection was lost for another reason than the tests. */
  testsEnded(): void {
    for (const topic of this.#closed.keys()) this.testEnded(topic);
  }

  accepted(topic: string): void {
    if (this.#closed.delete(topic)) this.#log.info({ topic }, `the broker accepts ${topic} again`);
  }

  /** Closes the topic and logs it once, or keeps it closed for longer. */
  refused(topic: string, { reason, error, endedConnection, isSubscription }: TopicRefusal): void {
    const closed = this.#closed.get(topic);
    const { firstMs, maxMs } = endedConnection ? disconnecting : answered;
    // Several messages in flight to the same topic count as one refusal.
    if (closed && !closed.isOnTest) return;
    const waitMs = closed ? Math.min(2 * closed.waitMs, maxMs) : firstMs;
    const until = performance.now() + waitMs;
    if (closed) return void Object.assign(closed, { reason, waitMs, until, isOnTest: false });
    if (this.#closed.size >= remembered) this.#closed.delete(this.#closed.keys().next().value!);
    this.#closed.set(topic, { topic, isSubscription, reason, waitMs, until, isOnTest: false });
    this.#log.warn(
      { topic, reason, retryAfterS: Math.round(waitMs / 1_000) },
      `${error.line}; everything else continues, and this is tried again at intervals`,
    );
  }

  /** Whether messages are published retained on this topic. */
  mayRetain(topic: string): boolean {
    return !this.#unretained.has(topic);
  }

  /** From now on messages on this topic are not retained. */
  withoutRetain(topic: string): void {
    this.#unretained.add(topic);
    this.#log.warn({ topic }, `the broker refuses retained messages on ${topic}: published without retain`);
  }

  /**
   * Current refusals, one line each.
   * @param needed filters of subscriptions that the station needs; others are omitted
   */
  lines(needed: readonly string[]): string[] {
    return [...this.#closed.values()].flatMap(({ topic, reason, isSubscription }) => {
      if (!isSubscription) return [`the broker refuses messages on ${topic}: ${textOf(reason)}`];
      if (!needed.includes(topic)) return [];
      return [
        `commands cannot be received, the broker refuses the subscription to ${topic}: ${textOf(reason)}`,
      ];
    });
  }
}
