/** The outbox on disk: what was put is there after a kill and after a power cut, until somebody has acknowledged it. */
import type { z } from 'zod';
import { QcError } from '../../../config/errors.ts';
import { FaultLog, type Log } from '../../lifecycle/log.ts';
import { type OutboxClock, outboxClock } from './clock.ts';
import type { Limits, QueueChange } from './disk.ts';
import type { DiskThread } from './disk-thread.ts';
import { DurableQueue } from './durable-queue.ts';
import type { Letter, Numbered, Outbox, OutboxStore } from './outbox.ts';

/** Acknowledged messages go with the next put, or after this time: a write less for each part, ms. */
const forgetAfterMs = 200;
/** While the disk takes nothing it is tried again this often, ms. */
const retryMs = 1_000;
/** A write that takes longer counts as failed until it ends: a verdict cannot wait for a disk that hangs, ms. */
const slowMs = 3_000;
/** How often it is looked for what has become too old, ms. */
const ageEveryMs = 60_000;
/** Parts in one transaction. */
const groupSize = 500;

/** The messages of one part, put together. */
interface Group {
  readonly rows: readonly {
    readonly queue: DurableQueue<unknown>;
    readonly id: number;
    readonly json: string;
  }[];
  readonly at: number;
  readonly part: Numbered | undefined;
  readonly stored: () => void;
}

export interface DurableDeps {
  readonly log: Log;
  /** Told when it begins or ends that messages are kept in memory only. */
  readonly onFault: () => void;
}

export interface DurableOptions {
  readonly limits: Limits;
  /** Parts kept in memory while the disk takes nothing. */
  readonly memoryParts: number;
}

/** Runs over a store that is open; closing closes that too. */
export class DurableOutbox implements OutboxStore {
  readonly #disk: DiskThread;
  readonly #options: DurableOptions;
  readonly #deps: DurableDeps;
  readonly #faults: FaultLog;
  readonly #clock: OutboxClock;
  readonly #queues = new Map<string, DurableQueue<unknown>>();
  readonly #sequences: Map<string, number>;
  /** Not on the disk yet, oldest first. */
  #groups: Group[] = [];
  /** As many of them are being written. */
  #inFlight = 0;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #ageing: NodeJS.Timeout;
  #fault = '';

  constructor(disk: DiskThread, options: DurableOptions, deps: DurableDeps) {
    this.#disk = disk;
    this.#options = options;
    this.#deps = deps;
    this.#faults = new FaultLog(deps.log);
    const { found } = disk;
    const waits = [...found.queues.values()].some(({ messages }) => messages > 0);
    this.#clock = outboxClock(waits ? found.time : undefined);
    this.#sequences = new Map(found.sequences);
    this.#ageing = setInterval(() => this.size > 0 && this.#write(), ageEveryMs);
    this.#ageing.unref();
  }

  queue<M>(name: string, schema: z.ZodType<M>): Outbox<M> {
    const opened = this.#queues.get(name) as DurableQueue<M> | undefined;
    if (opened) return opened;
    const queue = new DurableQueue<M>(name, schema, this.#disk.found.queues.get(name), {
      clock: this.#clock,
      read: (after, limit) => this.#disk.read(name, after, limit),
      onGone: () => this.#writeSoon(forgetAfterMs),
      onDamaged: (id) => {
        this.#faults.warn(`outbox: a message of ${name} cannot be read and was set aside`, { id });
      },
    });
    this.#queues.set(name, queue as DurableQueue<unknown>);
    return queue;
  }

  put(letters: readonly Letter[], part?: Numbered): Promise<void> {
    if (part) this.#sequences.set(part.camera, part.sequence);
    const at = this.#clock.now();
    const rows = letters.map(({ queue: name, message }) => {
      const queue = this.#queues.get(name)!;
      return { queue, id: queue.add(at), json: JSON.stringify(message) };
    });
    return new Promise((stored) => {
      this.#groups.push({ rows, at, part, stored });
      if (this.#fault) this.#keepInMemory();
      else void this.#write();
    });
  }

  newestSequence(camera: string): number {
    return this.#sequences.get(camera) ?? 0;
  }

  get fault(): string {
    return this.#fault;
  }

  get size(): number {
    return this.#sum(({ size }) => size);
  }

  get dropped(): number {
    return this.#sum(({ dropped }) => dropped);
  }

  get oldestAgeMs(): number {
    return Math.max(0, ...[...this.#queues.values()].map(({ oldestAgeMs }) => oldestAgeMs));
  }

  #sum(of: (queue: DurableQueue<unknown>) => number): number {
    return [...this.#queues.values()].reduce((sum, queue) => sum + of(queue), 0);
  }

  #writeSoon(afterMs: number): void {
    this.#timer ??= setTimeout(() => void this.#write(), afterMs);
  }

  /** One transaction after the other; what is put meanwhile shares the next one. */
  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
      // What came between the last look and now.
      if (this.#groups.length > 0 && !this.#fault) void this.#write();
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    do {
      // Those that came in one turn share a transaction.
      await Promise.resolve();
      const groups = this.#groups.slice(0, groupSize);
      this.#inFlight = groups.length;
      const slow = setTimeout(() => this.#failed(`it has not answered for ${slowMs / 1000} s`), slowMs);
      try {
        await this.#commit(groups);
      } catch (error) {
        this.#inFlight = 0;
        this.#failed((error as Error).message);
        this.#writeSoon(retryMs);
        return;
      } finally {
        clearTimeout(slow);
      }
      this.#inFlight = 0;
      this.#groups = this.#groups.slice(groups.length);
      for (const { stored } of groups) stored();
    } while (this.#groups.length > 0);
    this.#recovered();
  }

  async #commit(groups: readonly Group[]): Promise<void> {
    const sequences = new Map<string, number>();
    for (const { part } of groups) if (part) sequences.set(part.camera, part.sequence);
    const queues = new Map<string, QueueChange>();
    const leaving = [...this.#queues.values()].map((queue) => ({ queue, gone: queue.leaving() }));
    for (const { queue, gone } of leaving) {
      const put = groups.flatMap(({ rows, at }) =>
        rows
          .filter((row) => row.queue === queue && !queue.isGone(row.id))
          .map(({ id, json }) => ({ id, at, json })),
      );
      const { newestId, dropped } = queue;
      queues.set(queue.name, { put, ...gone, newestId, dropped });
    }
    const { limits } = this.#options;
    const changed = await this.#disk.change({ now: this.#clock.now(), limits, sequences, queues });
    for (const { queue, gone } of leaving) {
      const { put } = queues.get(queue.name)!;
      const { evicted, oldestAt } = changed.get(queue.name)!;
      if (evicted.length > 0) {
        this.#faults.warn(`outbox: full, the oldest messages of ${queue.name} are thrown away`, {
          dropped: evicted.length,
        });
      }
      queue.written(put, gone, evicted, oldestAt);
    }
  }

  #failed(why: string): void {
    const first = this.#fault === '';
    this.#fault = `the disk takes no results (${why.split('\n')[0]}): they are kept in memory, and lost if the agent ends; make room, and check the disk`;
    this.#faults.warn(`outbox: ${this.#fault}`);
    this.#keepInMemory();
    if (first) this.#deps.onFault();
  }

  #recovered(): void {
    if (this.#fault === '') return;
    this.#fault = '';
    this.#faults.clear();
    this.#deps.log.info('outbox: results are on the disk again');
    this.#deps.onFault();
  }

  /** What the disk does not take is sent from memory, as much of it as is kept there. */
  #keepInMemory(): void {
    const over = this.#groups.length - this.#options.memoryParts;
    if (over > 0) {
      this.#faults.warn('outbox: the memory for results is full as well, the oldest are thrown away');
      for (const { rows } of this.#groups.splice(this.#inFlight, over)) {
        for (const { queue, id } of rows) queue.lose(id);
      }
    }
    for (const { rows, at, stored } of this.#groups) {
      for (const { queue, id, json } of rows) queue.keep({ id, at, json });
      stored();
    }
  }

  /** @throws QcError outbox-failed where the disk did not take what nobody has acknowledged */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ageing);
    await this.#write();
    // Once more for what came, or was acknowledged, meanwhile.
    await this.#write();
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#disk.close();
    const lost = this.#groups.filter(({ rows }) => rows.some(({ queue, id }) => !queue.isGone(id)));
    if (lost.length > 0) {
      const what = `messages of ${lost.length} parts are lost: neither the disk nor the broker has taken them`;
      throw new QcError('outbox-failed', what);
    }
  }
}
