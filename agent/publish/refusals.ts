/**
 * Tracks what the broker refuses, across connections. An answered refusal names its message. If the broker ends the
 * connection because of a message, it does not: then all unacknowledged messages are suspects and are sent one at a time on
 * the next connection, until the cause is found. A stored message is first put aside alone; if the next one on its topic
 * ends the connection as well, the topic is refused.
 */
import type { QcError } from '../../config/errors.ts';
import type { Log } from '../lifecycle/log.ts';
import type { Outcome } from './drain.ts';
import { isOfMessage, lossReasonOf, type RefusalReason, refusalError } from './refusal.ts';
import { RefusedTopics } from './refused-topics.ts';

export type MessageKind = 'result' | 'verdict' | 'status' | 'handshake' | 'reply' | 'subscription';

export interface Sendable {
  /** Identifies the message across connections; default: all messages to this topic. */
  readonly key?: string;
  readonly kind: MessageKind;
  /** The topic, or the filter of a subscription. */
  readonly topic: string;
  readonly bytes: number;
  readonly retain?: boolean;
  /** It is stored in the outbox and sent again with the same key. */
  readonly isStored?: boolean;
}

interface Sent extends Sendable {
  readonly key: string;
  readonly at: number;
}

export interface RefusalsDeps {
  readonly log: Log;
  /** Counts a refused message. */
  refused(kind: MessageKind, reason: RefusalReason): void;
  /** Called when `notice` may have changed. */
  onChange(): void;
}

/**
 * If a broker ends the connection because of a message, it does so within this time; a later loss has another cause, ms.
 */
const promptMs = 3_000;
/** Number of lost connections after which a message counts as the cause, if the broker does not say so. */
const strikes = 2;
/** Suspects that are not sent again are forgotten after this time, ms. */
const carefulMs = 60_000;
/** How long a size limit that was not announced by the broker is assumed: first and maximum time, ms. */
const sizeLimitMs = { first: 60_000, most: 3_600_000 };

/** How long a refusal on a topic is reported after the last refused message, ms. */
const saidMs = 60_000;

export class Refusals {
  readonly topics: RefusedTopics;
  /** Features that the broker turned out not to support. */
  readonly unsupported = { retain: false, qos: false };
  readonly #deps: RefusalsDeps;
  readonly #unanswered = new Map<string, Sent>();
  readonly #suspects = new Set<string>();
  readonly #strikes = new Map<string, number>();
  /** Messages that ended the connection, although their topic may be accepted: true once that is known. */
  readonly #aside = new Map<string, Sent & { isRefused: boolean }>();
  #carefulUntil = 0;
  #sizeLimit: { bytes: number; until: number; waitMs: number } | undefined;
  #largestAccepted = 0;
  #silentlyRefused = 0;
  /** Reported text by topic for messages that are too large or malformed, until one is accepted. */
  readonly #ofMessages = new Map<string, { readonly text: string; readonly at: number }>();

  constructor(deps: RefusalsDeps) {
    this.#deps = deps;
    this.topics = new RefusedTopics(deps.log);
  }

  /** Whether to send one message at a time, to find the one that ends the connection. */
  get careful(): boolean {
    return (this.#suspects.size > 0 || this.#aside.size > 0) && performance.now() < this.#carefulUntil;
  }

  /** Why this message must not be sent now. */
  obstacle(message: Sendable): Exclude<Outcome, 'sent'> | undefined {
    const aside = this.#aside.get(keyOf(message));
    if (aside?.isRefused) {
      this.#aside.delete(aside.key);
      return 'refused';
    }
    if (aside) return 'aside';
    const limit = this.#sizeLimit;
    if (limit && message.bytes > limit.bytes && performance.now() < limit.until) {
      this.messageRefused(message, 'too-large');
      return 'refused';
    }
    return this.topics.mayTry(message.topic) ? undefined : 'held';
  }

  sent(message: Sendable): void {
    const key = keyOf(message);
    this.#unanswered.set(key, { ...message, key, at: performance.now() });
  }

  /** The broker answered, so the message did not end the connection. */
  answered(message: Sendable): void {
    const key = keyOf(message);
    this.#unanswered.delete(key);
    this.#suspects.delete(key);
    this.#strikes.delete(key);
  }

  accepted({ topic, bytes }: Sendable): void {
    this.#largestAccepted = Math.max(this.#largestAccepted, bytes);
    if (this.#sizeLimit && bytes > this.#sizeLimit.bytes) this.#sizeLimit = undefined;
    for (const aside of this.#aside.values()) {
      if (aside.topic !== topic || aside.isRefused) continue;
      aside.isRefused = true;
      // Two messages that were larger than any accepted one: the size is the cause.
      if (++this.#silentlyRefused >= 2 && aside.bytes > this.#largestAccepted) this.#learnSize(aside.bytes);
      this.messageRefused(aside, 'disconnected');
    }
    const wasClosed = this.topics.isClosed(topic);
    this.topics.accepted(topic);
    // Large and small messages may alternate, so the report stays for a while.
    const { at = Number.POSITIVE_INFINITY } = this.#ofMessages.get(topic) ?? {};
    const isOver = performance.now() - at > saidMs && this.#ofMessages.delete(topic);
    if (isOver || wasClosed) this.#deps.onChange();
  }

  /** This message will never be accepted. */
  messageRefused({ kind, topic, bytes }: Sendable, reason: RefusalReason, answer?: QcError): void {
    this.#deps.refused(kind, reason);
    const said = this.#ofMessages.get(topic);
    const { line, message: text } = answer ?? refusalError(topic, 'message', reason, `${bytes} bytes`);
    this.#ofMessages.set(topic, { text: said?.text ?? text, at: performance.now() });
    if (said) return;
    const fields = { topic, bytes, reason };
    this.#deps.log.warn(fields, `${line}; it is discarded, and others like it are only counted`);
    this.#deps.onChange();
  }

  /** @param answer answer of the broker; undefined if it ended the connection */
  topicRefused({ kind, topic }: Sendable, reason: RefusalReason, answer?: QcError): void {
    const isSubscription = kind === 'subscription';
    if (!this.topics.isClosed(topic)) this.#deps.refused(kind, reason);
    const error = answer ?? refusalError(topic, isSubscription ? 'subscription' : 'message', reason);
    this.topics.refused(topic, { reason, error, endedConnection: !answer, isSubscription });
    this.#deps.onChange();
  }

  /** Other subscriptions replace this one. */
  forget(filter: string): void {
    this.topics.forget(filter);
    this.#deps.onChange();
  }

  /**
   * The connection ended.
   * @returns age of the oldest unacknowledged message, ms, if one of them may be the cause; otherwise undefined
   */
  lost(error: unknown): number | undefined {
    const pending = [...this.#unanswered.values()];
    this.#unanswered.clear();
    const tests = pending.filter(({ topic }) => this.topics.isOnTest(topic));
    const reason = lossReasonOf(error);
    const times = pending.map(({ at }) => performance.now() - at);
    const isPrompt = Math.min(...times) < promptMs;
    if (reason === undefined || pending.length === 0 || (reason === 'disconnected' && !isPrompt)) {
      this.topics.testsEnded();
      return undefined;
    }
    this.#blame(pending, tests, reason);
    this.topics.testsEnded();
    return Math.max(...times);
  }

  /**
   * Current refusals, one line each.
   * @param needed filters of subscriptions that the station needs; others are omitted
   */
  lines(needed: readonly string[]): string[] {
    return [...this.topics.lines(needed), ...[...this.#ofMessages.values()].map(({ text }) => text)];
  }

  #blame(pending: readonly Sent[], tests: readonly Sent[], reason: RefusalReason): void {
    const [only, ...others] = pending;
    this.#carefulUntil = performance.now() + carefulMs;
    if (reason === 'retain' || reason === 'qos') this.unsupported[reason] = true;
    else if (reason === 'too-large') this.#tooLarge(pending);
    else if (tests.length > 0) for (const test of tests) this.topicRefused(test, reason);
    else if (others.length > 0) for (const { key } of pending) this.#suspects.add(key);
    else if (only && this.#isCertain(only, reason)) this.#offends(only, reason);
  }

  /** If the broker only closes the connection, it may be a coincidence: certain only after another time. */
  #isCertain({ key, topic }: Sent, reason: RefusalReason): boolean {
    if (reason !== 'disconnected' || this.#hasAside(topic)) return true;
    const count = (this.#strikes.get(key) ?? 0) + 1;
    this.#strikes.set(key, count);
    this.#suspects.add(key);
    return count >= strikes;
  }

  #offends(sent: Sent, reason: RefusalReason): void {
    const { key, topic } = sent;
    this.#strikes.delete(key);
    this.#suspects.delete(key);
    if (sent.retain && this.topics.mayRetain(topic)) this.topics.withoutRetain(topic);
    else if (isOfMessage(reason)) {
      this.#aside.set(key, { ...sent, isRefused: true });
      this.messageRefused(sent, reason);
    } else if (sent.isStored && reason === 'disconnected' && !this.#hasAside(topic)) {
      this.#aside.set(key, { ...sent, isRefused: false });
    } else {
      for (const other of this.#aside.values()) if (other.topic === topic) this.#aside.delete(other.key);
      this.topicRefused(sent, reason);
    }
  }

  #hasAside(topic: string): boolean {
    return [...this.#aside.values()].some((aside) => aside.topic === topic);
  }

  /** The largest message in flight is certainly too large. */
  #tooLarge(pending: readonly Sent[]): void {
    const largest = pending.reduce((most, sent) => (sent.bytes > most.bytes ? sent : most));
    this.#aside.set(largest.key, { ...largest, isRefused: true });
    this.#learnSize(largest.bytes);
    this.messageRefused(largest, 'too-large');
  }

  #learnSize(bytes: number): void {
    const { first, most } = sizeLimitMs;
    const waitMs = this.#sizeLimit ? Math.min(2 * this.#sizeLimit.waitMs, most) : first;
    this.#sizeLimit = { bytes: bytes - 1, until: performance.now() + waitMs, waitMs };
  }
}

function keyOf({ key, topic }: Sendable): string {
  return key ?? topic;
}
