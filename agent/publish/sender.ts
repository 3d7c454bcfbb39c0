/** Publishes the messages of one connection; a refused message does not stop the others. */
import type { QcError } from '../../config/errors.ts';
import type { Outcome } from './drain.ts';
import type { BrokerLink } from './link.ts';
import { isOfMessage, refusalReasonOf } from './refusal.ts';
import type { MessageKind, Refusals, Sendable } from './refusals.ts';
import type { Window } from './window.ts';

export interface Outgoing {
  readonly kind: Exclude<MessageKind, 'subscription'>;
  readonly topic: string;
  readonly payload: string;
  readonly retain?: boolean;
  readonly correlationData?: Buffer;
  /** Key of a stored message, which stays the same after a reconnect. */
  readonly key?: string;
}

export interface SenderOptions {
  readonly window: Window;
  /** Normal size of the window, while more than one message may be in flight. */
  readonly places: number;
}

export class Sender {
  readonly #link: BrokerLink;
  readonly #refusals: Refusals;
  readonly #options: SenderOptions;

  constructor(link: BrokerLink, refusals: Refusals, options: SenderOptions) {
    this.#link = link;
    this.#refusals = refusals;
    this.#options = options;
    this.#fit();
  }

  /** Sends a message that has a place in the window; rejects when the link is lost. */
  async send({ kind, topic, payload, retain = false, correlationData, key }: Outgoing): Promise<Outcome> {
    const link = this.#link;
    const refusals = this.#refusals;
    const isRetained = retain && link.limits.retain && refusals.topics.mayRetain(topic);
    const options = { retain: isRetained, ...(correlationData && { correlationData }) };
    const bytes = link.bytes(topic, payload, options);
    const message: Sendable = {
      kind,
      topic,
      bytes,
      retain: isRetained,
      ...(key !== undefined && { key, isStored: true }),
    };
    const obstacle = refusals.obstacle(message);
    if (obstacle) return obstacle;
    refusals.sent(message);
    try {
      await link.publish(topic, payload, options);
    } catch (error) {
      const reason = refusalReasonOf(error);
      if (reason === undefined) throw error;
      refusals.answered(message);
      if (isOfMessage(reason)) {
        refusals.topics.testEnded(topic);
        refusals.messageRefused(message, reason, error as QcError);
        return 'refused';
      }
      if (isRetained) {
        refusals.topics.testEnded(topic);
        refusals.topics.withoutRetain(topic);
        return this.send({
          kind,
          topic,
          payload,
          ...options,
          retain: false,
          ...(key !== undefined && { key }),
        });
      }
      refusals.topicRefused(message, reason, error as QcError);
      return 'held';
    } finally {
      this.#fit();
    }
    refusals.answered(message);
    refusals.accepted(message);
    this.#fit();
    return 'sent';
  }

  /** Sends a message at once; rejects when the link is lost. */
  async sendNow(message: Outgoing): Promise<Outcome> {
    const { window } = this.#options;
    await window.take(true);
    const outcome = await this.send(message);
    window.give();
    return outcome;
  }

  /** Subscribes to all filters that the broker allows, and returns the refused ones. */
  async subscribe(filters: readonly string[]): Promise<string[]> {
    const refusals = this.#refusals;
    const { window } = this.#options;
    const refused: string[] = filters.filter((filter) => !refusals.topics.mayTry(filter));
    for (const filter of filters.filter((one) => !refused.includes(one))) {
      const message: Sendable = { kind: 'subscription', topic: filter, bytes: filter.length };
      // Subscriptions do not count for the window, unless only one packet may be in flight.
      const { careful } = refusals;
      if (careful) await window.take(true);
      refusals.sent(message);
      const error = (await this.#link.subscribe([filter])).get(filter);
      refusals.answered(message);
      if (error) {
        refused.push(filter);
        refusals.topicRefused(message, refusalReasonOf(error) ?? 'other', error);
      } else refusals.accepted(message);
      if (careful) window.give();
      this.#fit();
    }
    return refused;
  }

  /** Subscribes to those that the broker allows; the others count as refused only if some were allowed. */
  async subscribeToSome(filters: readonly string[]): Promise<string[]> {
    const answers = await this.#link.subscribe(filters);
    if (answers.size === filters.length) return [...filters];
    for (const [topic, error] of answers) {
      const message: Sendable = { kind: 'subscription', topic, bytes: topic.length };
      this.#refusals.topicRefused(message, refusalReasonOf(error) ?? 'other', error);
    }
    return [...answers.keys()];
  }

  #fit(): void {
    const { window, places } = this.#options;
    window.resize(this.#refusals.careful ? 1 : places);
  }
}
