/**
 * What the broker refuses, from one connection to the next. A refusal that is answered names its message. A connection
 * that the broker ends over a message does not: what was unacknowledged then is suspected, and sent one at a time on
 * the next connection, until the one over which it ends is known. A stored message is first put aside alone; if the
 * next one on its topic ends the connection as well, the topic is refused.
 */
import type { QcError } from '../../config/errors.ts';
import type { Log } from '../lifecycle/log.ts';
import type { Outcome } from './drain.ts';
import { isOfMessage, lossReasonOf, type RefusalReason, refusalError } from './refusal.ts';
import { RefusedTopics } from './refused-topics.ts';

export type MessageKind = 'result' | 'verdict' | 'status' | 'handshake' | 'reply' | 'subscription';

export interface Sendable {
  /** The same one after a reconnect; by default whatever goes to this topic. */
  readonly key?: string;
  readonly kind: MessageKind;
  /** Or the filter of a subscription. */
  readonly topic: string;
  readonly bytes: number;
  readonly retain?: boolean;
  /** It waits in the outbox, and comes again as the same one. */
  readonly isStored?: boolean;
}

interface Sent extends Sendable {
  readonly key: string;
  readonly at: number;
}

export interface RefusalsDeps {
  readonly log: Log;
  /** Counts a message that was refused. */
  refused(kind: MessageKind, reason: RefusalReason): void;
  /** Called when `notice` may have changed. */
  onChange(): void;
}

/** A broker ends the connection over a message soon after it was sent; what is lost later has another cause, ms. */
const promptMs = 3_000;
/** Lost connections that show that a message is the cause, where the broker does not say so. */
const strikes = 2;
/** Suspects that do not come again are forgotten after this time, ms. */
const carefulMs = 60_000;
/** How long a size limit that the broker did not announce is believed, first and at most, ms. */
const sizeLimitMs = { first: 60_000, most: 3_600_000 };

/** How long it is said that messages on a topic are refused, after the last one, ms. */
const saidMs = 60_000;

export class Refusals {
  readonly topics: RefusedTopics;
  /** What the broker turned out not to support. */
  readonly unsupported = { retain: false, qos: false };
  readonly #deps: RefusalsDeps;
  readonly #unanswered = new Map<string, Sent>();
  readonly #suspects = new Set<string>();
  readonly #strikes = new Map<string, number>();
  /** Messages that ended the connection, while their topic may still be fine: true once it is known to be. */
  readonly #aside = new Map<string, Sent & { isRefused: boolean }>();
  #carefulUntil = 0;
  #sizeLimit: { bytes: number; until: number; waitMs: number } | undefined;
  #largestAccepted = 0;
  #silentlyRefused = 0;
  /** By topic: what is said of messages that are too large or malformed, until one is accepted. */
  readonly #ofMessages = new Map<string, { readonly text: string; readonly at: number }>();

  constructor(deps: RefusalsDeps) {
    this.#deps = deps;
    this.topics = new RefusedTopics(deps.log);
  }

  /** One message at a time, so that the one over which the connection ends is known. */
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

  /** Whatever the answer: the connection did not end over it. */
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
      // Two that were larger than anything accepted: it is their size.
      if (++this.#silentlyRefused >= 2 && aside.bytes > this.#largestAccepted) this.#learnSize(aside.bytes);
      this.messageRefused(aside, 'disconnected');
    }
    const wasClosed = this.topics.isClosed(topic);
    this.topics.accepted(topic);
    // Large and small ones may take turns: what is said stays for a while.
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

  /** @param answer of the broker; none where it ended the connection */
  topicRefused({ kind, topic }: Sendable, reason: RefusalReason, answer?: QcError): void {
    const isSubscription = kind === 'subscription';
    if (!this.topics.isClosed(topic)) this.#deps.refused(kind, reason);
    const error = answer ?? refusalError(topic, isSubscription ? 'subscription' : 'message', reason);
    this.topics.refused(topic, { reason, error, endedConnection: !answer, isSubscription });
    this.#deps.onChange();
  }

  /** Others stand for this subscription. */
  forget(filter: string): void {
    this.topics.forget(filter);
    this.#deps.onChange();
  }

  /**
   * The connection ended.
   * @returns how long the oldest unacknowledged message had been on its way, ms, where one of them may be the cause;
   * undefined if none is
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
   * What is refused now, a line each.
   * @param needed filters of subscriptions that the station cannot do without; others are left out
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

  /** Where the broker only closes the connection, it may be chance: it takes another time to be certain. */
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

  /** The largest that was on its way is too large for certain. */
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
