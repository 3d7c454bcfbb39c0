/**
 * Sends pending messages: several lanes, each in order, share one bounded window of unacknowledged messages. A message that
 * cannot be sent now delays only messages of its topic: they stay in the outbox until the topic is resumed.
 */
import type { Outbox, OutboxEntry } from './outbox/outbox.ts';
import type { Window } from './window.ts';

/**
 * `refused`: the broker will never accept it; `held`: it waits, and so do later messages of its topic; `aside`: it waits,
 * but later messages do not.
 */
export type Outcome = 'sent' | 'refused' | 'held' | 'aside';

export interface Lane<M> {
  readonly outbox: Outbox<M>;
  /** Sends messages with ids above this one, 0 = all, … */
  readonly after: number;
  /** … up to this one. */
  readonly upTo: number;
  /** Has priority when the window is full. */
  readonly urgent: boolean;
  topic(message: M): string;
  /**
   * Resolves once the broker has accepted or refused it; rejects if nothing more can be sent.
   * @param wasHeld it was held for its topic before
   */
  send(entry: OutboxEntry<M>, wasHeld: boolean): Promise<Outcome>;
}

export interface DrainOptions {
  /** Shared with all other senders. */
  readonly window: Window;
  /** Aborted when the link is lost; the drain aborts it if sending fails. */
  readonly ended: AbortController;
  /** Called after every entry that has left its outbox or is held. */
  onLeft(): void;
}

export interface Drain {
  /** Runs until `ended` aborts. */
  readonly done: Promise<void>;
  /** Topics with held messages. */
  readonly heldTopics: ReadonlySet<string>;
  /** Sends the held messages of the topic, first the oldest one alone. */
  resume(topic: string): void;
  /** Tries again the messages that were put aside. */
  retryAside(): void;
  /** Whether everything that can be sent has been sent. */
  readonly isIdle: boolean;
}

/** A message is removed from its outbox only once it is acknowledged or permanently refused. */
export function drain(lanes: readonly Lane<never>[], options: DrainOptions): Drain {
  const running = lanes.map((lane) => new RunningLane(lane as Lane<unknown>, options));
  const outboxes = [...new Set(running.map(({ outbox }) => outbox))];
  return {
    done: Promise.all(running.map((lane) => lane.run())).then(() => undefined),
    resume(topic) {
      for (const lane of running) void lane.resume(topic);
    },
    retryAside() {
      for (const lane of running) lane.retryAside();
    },
    get heldTopics() {
      return new Set(running.flatMap((lane) => [...lane.heldTopics]));
    },
    get isIdle() {
      return outboxes.every((outbox) => {
        const held = running
          .filter((lane) => lane.outbox === outbox)
          .reduce((sum, lane) => sum + lane.held, 0);
        return outbox.size <= held;
      });
    },
  };
}

class RunningLane {
  readonly #lane: Lane<unknown>;
  readonly #options: DrainOptions;
  /** Id of the newest entry that was read. */
  #position: number;
  /** Held entries by topic; later ones of these topics are held as well. */
  readonly #held = new Map<string, Held>();
  readonly #inFlight = new Set<number>();
  #aside: OutboxEntry<unknown>[] = [];
  readonly #resuming = new Set<string>();

  constructor(lane: Lane<unknown>, options: DrainOptions) {
    this.#lane = lane;
    this.#options = options;
    this.#position = lane.after;
  }

  get outbox(): Outbox<unknown> {
    return this.#lane.outbox;
  }

  get heldTopics(): Iterable<string> {
    return this.#held.keys();
  }

  get held(): number {
    return [...this.#held.values()].reduce((sum, { ids }) => sum + ids.size, this.#aside.length);
  }

  async run(): Promise<void> {
    const { outbox, upTo, urgent } = this.#lane;
    const { ended, window } = this.#options;
    try {
      for (;;) {
        const entry = await outbox.next(this.#position, ended.signal);
        if (entry.id > upTo) return;
        this.#position = entry.id;
        const topic = this.#lane.topic(entry.message);
        if (this.#held.has(topic)) {
          this.#hold(topic, entry.id);
          continue;
        }
        this.#inFlight.add(entry.id);
        await window.take(urgent);
        void this.#deliver(entry, false);
      }
    } catch (error) {
      // The outbox itself may fail: then `ended` aborts with its error.
      ended.abort(error);
    }
  }

  async resume(topic: string): Promise<void> {
    const { ended, window } = this.#options;
    const held = this.#held.get(topic);
    if (!held || this.#resuming.has(topic)) return;
    this.#resuming.add(topic);
    try {
      let isFirst = true;
      let isHeldAgain = false;
      const oldest = [...held.ids].reduce((least, id) => Math.min(least, id), held.newest);
      for (let at = oldest - 1; !isHeldAgain; ) {
        const entry = at < held.newest ? await this.outbox.next(at, ended.signal) : undefined;
        // All held messages have been sent: the lane continues with this topic.
        if (!entry || entry.id > held.newest) {
          this.#held.delete(topic);
          return;
        }
        at = entry.id;
        if (this.#inFlight.has(at) || this.#lane.topic(entry.message) !== topic) continue;
        this.#inFlight.add(at);
        await window.take(false);
        const delivered = this.#deliver(entry, true).then((outcome) => {
          isHeldAgain ||= outcome === 'held';
        });
        // The first one shows whether the topic is open again.
        if (isFirst) await delivered;
        isFirst = false;
      }
    } catch (error) {
      ended.abort(error);
    } finally {
      this.#resuming.delete(topic);
    }
  }

  retryAside(): void {
    const entries = this.#aside;
    this.#aside = [];
    for (const entry of entries) {
      this.#inFlight.add(entry.id);
      this.#options.window.take(false).then(
        () => this.#deliver(entry, true),
        () => undefined,
      );
    }
  }

  /** Undefined if the link is lost. */
  async #deliver(entry: OutboxEntry<unknown>, wasHeld: boolean): Promise<Outcome | undefined> {
    const { window, ended, onLeft } = this.#options;
    let outcome: Outcome;
    try {
      outcome = await this.#lane.send(entry, wasHeld);
    } catch (error) {
      ended.abort(error);
      return undefined;
    } finally {
      this.#inFlight.delete(entry.id);
    }
    const topic = this.#lane.topic(entry.message);
    if (outcome === 'held') this.#hold(topic, entry.id);
    else if (outcome === 'aside') this.#aside.push(entry);
    else {
      this.#held.get(topic)?.ids.delete(entry.id);
      if (outcome === 'sent') this.outbox.ack(entry.id);
      else this.outbox.discard(entry.id);
    }
    window.give();
    onLeft();
    return outcome;
  }

  #hold(topic: string, id: number): void {
    const held = this.#held.get(topic) ?? { ids: new Set(), newest: 0 };
    held.ids.add(id);
    held.newest = Math.max(held.newest, id);
    this.#held.set(topic, held);
  }
}

interface Held {
  readonly ids: Set<number>;
  newest: number;
}
