/**
 * Topics on which the broker takes nothing, or nothing retained, and when each is tried again. Kept from one connection
 * to the next. A topic is open, closed until its time has come, or on test: then one message decides.
 */
import type { QcError } from '../../config/errors.ts';
import type { Log } from '../lifecycle/log.ts';
import { type RefusalReason, textOf } from './refusal.ts';

export interface TopicRefusal {
  readonly reason: RefusalReason;
  readonly error: QcError;
  /** There was no answer, the broker ended the connection. */
  readonly endedConnection: boolean;
  readonly isSubscription: boolean;
}

interface Closed {
  readonly topic: string;
  readonly isSubscription: boolean;
  reason: RefusalReason;
  /** By the process's own clock, ms. */
  until: number;
  waitMs: number;
  isOnTest: boolean;
}

/** Between two tests, first and at most, ms: an answer costs nothing, … */
const answered = { firstMs: 10_000, maxMs: 300_000 };
/** … a lost connection costs every other message a moment. */
const disconnecting = { firstMs: 60_000, maxMs: 3_600_000 };
/** Topics that are remembered; requesters name response topics as they like. */
const remembered = 200;

export class RefusedTopics {
  readonly #log: Log;
  readonly #closed = new Map<string, Closed>();
  readonly #unretained = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Whether a message may go out now. Where its topic's time has come, the message is the test: tell how it ends. */
  mayTry(topic: string): boolean {
    const closed = this.#closed.get(topic);
    if (!closed) return true;
    if (!this.mayTest(topic)) return false;
    closed.isOnTest = true;
    return true;
  }

  /** Whether `mayTry` would say yes. */
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

  /** Nothing more is said of it. */
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

  /** The connection was lost over something else than the tests. */
  testsEnded(): void {
    for (const topic of this.#closed.keys()) this.testEnded(topic);
  }

  accepted(topic: string): void {
    if (this.#closed.delete(topic)) this.#log.info({ topic }, `the broker accepts ${topic} again`);
  }

  /** Closes the topic, which the log says once, or keeps it closed for longer. */
  refused(topic: string, { reason, error, endedConnection, isSubscription }: TopicRefusal): void {
    const closed = this.#closed.get(topic);
    const { firstMs, maxMs } = endedConnection ? disconnecting : answered;
    // Several messages on their way to the same topic are one refusal.
    if (closed && !closed.isOnTest) return;
    const waitMs = closed ? Math.min(2 * closed.waitMs, maxMs) : firstMs;
    const until = performance.now() + waitMs;
    if (closed) return void Object.assign(closed, { reason, waitMs, until, isOnTest: false });
    if (this.#closed.size >= remembered) this.#closed.delete(this.#closed.keys().next().value!);
    this.#closed.set(topic, { topic, isSubscription, reason, waitMs, until, isOnTest: false });
    this.#log.warn(
      { topic, reason, retryAfterS: Math.round(waitMs / 1_000) },
      `${error.line}; everything else goes on, and this is tried again from time to time`,
    );
  }

  /** Whether messages are published retained on this topic. */
  mayRetain(topic: string): boolean {
    return !this.#unretained.has(topic);
  }

  /** From now on nothing is published retained there. */
  withoutRetain(topic: string): void {
    this.#unretained.add(topic);
    this.#log.warn({ topic }, `the broker refuses retained messages on ${topic}: published without retain`);
  }

  /**
   * What is refused now, a line each.
   * @param needed filters of subscriptions that the station cannot do without; others are left out
   */
  lines(needed: readonly string[]): string[] {
    return [...this.#closed.values()].flatMap(({ topic, reason, isSubscription }) => {
      if (!isSubscription) return [`the broker refuses messages on ${topic}: ${textOf(reason)}`];
      if (!needed.includes(topic)) return [];
      return [`no command arrives, the broker refuses the subscription to ${topic}: ${textOf(reason)}`];
    });
  }
}
