/** Sends what waits: several lanes, each in order, share one bounded window of unacknowledged messages. */
import type { Outbox, OutboxEntry } from './outbox/outbox.ts';

export interface Lane<M> {
  readonly outbox: Outbox<M>;
  /** Sends what was put after this id, 0 = all, … */
  readonly after: number;
  /** … up to this one. */
  readonly upTo: number;
  /** Goes first where the window is full. */
  readonly urgent: boolean;
  /** Resolves once the other side has it. */
  send(entry: OutboxEntry<M>): Promise<void>;
}

export interface DrainOptions {
  /** Most unacknowledged messages over all lanes. */
  readonly window: number;
  /** Aborted when the link is lost; the drain aborts it where sending fails. */
  readonly ended: AbortController;
  /** Whether the other side will never take the message: then it is discarded, and the rest goes on. */
  isUnacceptable(error: unknown, entry: OutboxEntry<unknown>): boolean;
  /** Told after every entry that has left its outbox. */
  onLeft(): void;
}

/** Runs until `ended` aborts. A message leaves its outbox only once it is acknowledged. */
export async function drain(lanes: readonly Lane<never>[], options: DrainOptions): Promise<void> {
  const window = new Window(options.window, options.ended.signal);
  await Promise.all(lanes.map((lane) => drainLane(lane as Lane<unknown>, window, options)));
}

async function drainLane(lane: Lane<unknown>, window: Window, options: DrainOptions): Promise<void> {
  const { outbox } = lane;
  const { ended } = options;
  const deliver = async (entry: OutboxEntry<unknown>) => {
    try {
      await lane.send(entry);
      outbox.ack(entry.id);
    } catch (error) {
      if (!options.isUnacceptable(error, entry)) return ended.abort(error);
      outbox.discard(entry.id);
    }
    window.give();
    options.onLeft();
  };
  try {
    for (let after = lane.after; ; ) {
      const entry = await outbox.next(after, ended.signal);
      if (entry.id > lane.upTo) return;
      after = entry.id;
      await window.take(lane.urgent);
      void deliver(entry);
    }
  } catch (error) {
    // The outbox itself may fail: whoever waits for the end is told then.
    ended.abort(error);
  }
}

/** So many places; who is urgent gets the next one. */
class Window {
  readonly #signal: AbortSignal;
  readonly #waiting = { urgent: [] as (() => void)[], other: [] as (() => void)[] };
  #free: number;

  constructor(places: number, signal: AbortSignal) {
    this.#free = places;
    this.#signal = signal;
    signal.addEventListener('abort', () => {
      for (const wake of [...this.#waiting.urgent, ...this.#waiting.other]) wake();
    });
  }

  async take(urgent: boolean): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting[urgent ? 'urgent' : 'other'].push(resolve));
    this.#signal.throwIfAborted();
  }

  give(): void {
    const next = this.#waiting.urgent.shift() ?? this.#waiting.other.shift();
    if (next) next();
    else this.#free++;
  }
}
