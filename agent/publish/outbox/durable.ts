/**
 * The outbox on disk: messages survive a kill and a power cut until a consumer has acknowledged them.
 *
 * ## Where a message is
 *
 * The messages of one part form a group. A group is put once and moves through these places in order. `Groups` contains all
 * groups that the store does not have yet.
 *
 *   put ──► memory ──► journal (journal.ts): one wait for the disk; `put` resolves
 *                        └──► store (disk.ts, lmdb): up to 200 ms later, in one transaction with the acknowledged rows
 *
 * If the journal is full or fails (`#direct`), groups go from memory straight to the store. If the store fails
 * (`#storeFails`), groups stay in the journal, which may grow. If both fail or do not answer for 3 s (`#fault`), `put`
 * resolves at once, messages are sent from memory, at most `memoryParts` groups are kept, and the oldest of the others are
 * dropped and counted.
 *
 * ## Records
 *
 * - Journal record: number, and up to 500 groups with time, camera and sequence number, and rows (queue, id, JSON);
 *   layout and checksums are in journal-record.ts.
 * - Store: for each queue id → row (row-code.ts), and one state record: newest id and dropped count of each queue, newest
 *   sequence number of each camera, and `journal`, the newest journal record that is completely in the store.
 *
 * ## Protocol
 *
 * - Writer: ids of a queue increase by one and are never reused. At the start the journal's records above `journal` are
 *   replayed into `#groups`, without rows that the store already has (replay.ts).
 * - Reader (durable-queue.ts): reads rows in the order of ids, from the store up to its newest id, above that from memory. A
 *   row becomes visible once it is stored, or during a fault.
 * - An acknowledgement takes effect in memory at once: this process never delivers the row again. The next transaction
 *   removes it from the store (transaction.ts); after a kill before that it is delivered once more.
 * - Eviction (by number, bytes, age) happens only in the store's transaction, oldest first.
 *
 * ## Invariants
 *
 * - `put` resolves only when the group would survive a power cut, or while `fault` states why it would not.
 * - A group is stored completely or not at all, together with the sequence number of its part.
 * - At most one write to the journal and one transaction are in progress.
 * - `numbers.json` is marked before a number is used that is not on any disk (numbers.ts).
 */
import type { z } from 'zod';
import { QcError } from '../../../config/errors.ts';
import { FaultLog, type Log } from '../../lifecycle/log.ts';
import { type OutboxClock, outboxClock } from './clock.ts';
import type { Found, FoundQueue, Limits } from './disk.ts';
import { DurableQueue } from './durable-queue.ts';
import { type Group, Groups, rowsOf } from './groups.ts';
import type { Journal } from './journal.ts';
import type { LastingDisk } from './lasting-disk.ts';
import type { Numbers } from './numbers.ts';
import type { Letter, Numbered, Outbox, OutboxStore } from './outbox.ts';
import { replay } from './replay.ts';
import { Sequences } from './sequences.ts';
import { transactionOf } from './transaction.ts';

/** Interval at which journaled messages are copied to the store and acknowledged ones are removed, ms. */
const takeOverAfterMs = 200;
/** Retry interval while the disk fails, ms. */
const retryMs = 1_000;
/** A write that takes longer counts as failed until it ends: a verdict cannot wait for a disk that hangs, ms. */
const slowMs = 3_000;
/** Time to read an answer that has already arrived, ms. */
const answerMs = 100;
/** Interval of the check for messages that are too old, ms. */
const ageEveryMs = 60_000;
/** Maximum number of parts in one transaction and in one journal record. */
const groupSize = 500;

/** Dependencies of the outbox; closing the outbox closes disk and journal. */
export interface Backing {
  readonly disk: LastingDisk;
  /** If undefined, each message waits for the store. */
  readonly journal: Journal | undefined;
  readonly numbers: Numbers;
  /** Whether the newest sequence numbers that were found are the newest that were ever used. */
  readonly areCertain: boolean;
}

export interface DurableDeps {
  readonly log: Log;
  /** Called when messages start or stop being kept only in memory. */
  readonly onFault: () => void;
}

export interface DurableOptions {
  readonly limits: Limits;
  /** Maximum number of parts kept in memory while the disk fails. */
  readonly memoryParts: number;
}

/** Opens an outbox over an open store and journal, which it owns. */
export function openDurableOutbox(
  backing: Backing,
  options: DurableOptions,
  deps: DurableDeps,
): DurableOutbox {
  const outbox = new DurableOutbox(backing, options, deps);
  outbox.start();
  return outbox;
}

/** Open it with `openDurableOutbox`. */
class DurableOutbox implements OutboxStore {
  readonly #disk: LastingDisk;
  readonly #journal: Journal | undefined;
  readonly #numbers: Numbers;
  readonly #options: DurableOptions;
  readonly #deps: DurableDeps;
  readonly #faults: FaultLog;
  #found: Found;
  /** First unknown id of a queue whose content is not known yet. */
  #idsAfter = 0;
  readonly #clock: OutboxClock;
  readonly #queues = new Map<string, DurableQueue<unknown>>();
  readonly #sequences: Sequences;
  readonly #groups: Groups;
  /** The newest journal record that is in the store. */
  #taken: number;
  /** Id of the newest message of each queue that was ever stored. */
  readonly #newestTaken: Map<string, number>;
  /** The last write to the store failed: the journal grows meanwhile. */
  #storeFails = false;
  /** Groups that are not in the journal are written to the store as well. */
  #direct = false;
  #storing: Promise<void> | undefined;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ageing: NodeJS.Timeout | undefined;
  #fault = '';
  /** A fault that has ended, until a kill can no longer leave an uncertain number. */
  #ending = '';

  constructor({ disk, journal, numbers, areCertain }: Backing, options: DurableOptions, deps: DurableDeps) {
    this.#disk = disk;
    this.#journal = journal;
    this.#numbers = numbers;
    this.#options = options;
    this.#deps = deps;
    this.#faults = new FaultLog(deps.log);
    this.#taken = disk.found.journal;
    this.#newestTaken = new Map([...disk.found.queues].map(([name, { newestId }]) => [name, newestId]));
    const { found, parts } = replay(disk.found, journal?.found.records ?? []);
    this.#found = found;
    const waits = [...found.queues.values()].some(({ messages }) => messages > 0);
    this.#clock = outboxClock(waits ? found.time : undefined);
    this.#sequences = new Sequences(numbers, found.sequences, areCertain, deps.log);
    this.#groups = new Groups(parts.map(({ part, ...rest }) => ({ ...rest, part, stored: () => undefined })));
  }

  /** Starts copying from the journal to the store, and the check for messages that are too old. */
  start(): void {
    if (this.#groups.all.length > 0) this.#writeSoon(0);
    this.#ageing = setInterval(() => this.size > 0 && this.#write(), ageEveryMs);
    this.#ageing.unref();
  }

  /** Starts while the disk fails and its content is unknown. */
  startWithout(why: string): void {
    // Above every id that the store can contain, because ids count messages.
    this.#idsAfter = Math.floor(this.#clock.now());
    this.#failed(why);
    this.#writeSoon(retryMs);
  }

  /** The disk is available now. @param found including everything in the journal. @throws Error if the ids do not fit */
  adopt(found: Found): void {
    const newestId = this.#idsAfter;
    if ([...found.queues.values()].some((queue) => queue.newestId >= newestId))
      throw new Error(
        'its messages have later ids than those in memory: the clock was set back; restart the agent',
      );
    this.#taken = found.journal;
    this.#found = {
      ...found,
      queues: new Map([...found.queues].map(([name, queue]) => [name, { ...queue, newestId }])),
    };
    for (const [name, queue] of found.queues) this.#queues.get(name)?.adopt(queue);
  }

  queue<M>(name: string, schema: z.ZodType<M>): Outbox<M> {
    const opened = this.#queues.get(name) as DurableQueue<M> | undefined;
    if (opened) return opened;
    const journaled = rowsOf(name, this.#groups.all);
    const queue = new DurableQueue<M>(name, schema, this.#foundOf(name), journaled, {
      clock: this.#clock,
      read: (after, limit) => this.#disk.read(name, after, limit),
      onGone: () => this.#writeSoon(takeOverAfterMs),
      onDamaged: (id) => {
        this.#faults.warn(`outbox: a message of ${name} cannot be read and was set aside`, { id });
      },
    });
    this.#queues.set(name, queue as DurableQueue<unknown>);
    return queue;
  }

  #foundOf(name: string): FoundQueue {
    const nothing = { messages: 0, newestId: this.#idsAfter, dropped: 0, oldestAt: undefined };
    return this.#found.queues.get(name) ?? nothing;
  }

  put(letters: readonly Letter[], part?: Numbered): Promise<void> {
    if (part) this.#sequences.used(part);
    const at = this.#clock.now();
    const rows = letters.map(({ queue, message }) => ({
      queue,
      id: this.#queues.get(queue)!.add(at),
      json: JSON.stringify(message),
    }));
    return new Promise((stored) => {
      this.#groups.add({ rows, at, part, stored, record: 0 });
      if (this.#fault) this.#keepInMemory();
      else this.#store();
    });
  }

  newestSequence(camera: string): number {
    return this.#sequences.newest(camera);
  }

  get fault(): string {
    return this.#fault || this.#ending;
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

  #store(): void {
    this.#storing ??= this.#storeAll().finally(() => {
      this.#storing = undefined;
      // Groups that arrived after the last check.
      if (!this.#groups.areAllJournaled && !this.#fault) this.#store();
    });
  }

  /** Writes one record after the other; groups that arrive meanwhile share the next one. */
  async #storeAll(): Promise<void> {
    do {
      // Groups of one turn of the event loop share a record.
      await Promise.resolve();
      let slow = setTimeout(() => {
        // The process may have been suspended meanwhile: then the answer has already arrived.
        slow = setTimeout(() => this.#failed(`it has not answered for ${slowMs / 1000} s`), answerMs);
      }, slowMs);
      try {
        if ((this.#isFull && !this.#storeFails) || !(await this.#toJournal())) {
          this.#direct = true;
          await this.#write();
        }
      } finally {
        clearTimeout(slow);
      }
    } while (!this.#groups.areAllJournaled && !this.#fault);
    // The disk works again after it hung; after a failure, the next attempt is already scheduled.
    if (this.#fault) this.#writeSoon(0);
  }

  /** Whether messages must be evicted, which only the store can do. */
  get #isFull(): boolean {
    return [...this.#queues.values()].some(({ size }) => size > this.#options.limits.messages);
  }

  /** @returns whether the next groups are in the journal now */
  async #toJournal(): Promise<boolean> {
    const groups = this.#groups.beginRecord(groupSize);
    if (groups.length === 0) return true;
    let record: number | undefined;
    try {
      record = await this.#journal?.write(
        groups.map(({ at, part, rows }) => ({ at, part, rows })),
        this.#storeFails,
      );
    } catch (error) {
      this.#faults.warn(`outbox: the journal cannot be written: ${(error as Error).message}`);
    } finally {
      this.#groups.endRecord(record);
    }
    if (record === undefined) return false;
    for (const { rows, at, stored } of groups) {
      for (const { queue, id, json } of rows) this.#queues.get(queue)!.keep({ id, at, json });
      stored();
    }
    if (this.#storeFails) this.#writeSoon(retryMs);
    else if (this.#journal?.isFilling) void this.#write();
    else this.#writeSoon(takeOverAfterMs);
    return true;
  }

  #writeSoon(afterMs: number): void {
    this.#timer ??= setTimeout(() => void this.#write(), afterMs);
  }

  /** Number of groups that may be written to the store now. */
  get #storable(): number {
    return this.#groups.storable(this.#direct || this.#fault !== '');
  }

  /** Runs one transaction after the other. */
  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    let most = 0;
    do {
      // Groups of one turn of the event loop share a transaction.
      await Promise.resolve();
      most = Math.min(groupSize, this.#storable);
      const groups = this.#groups.beginTransaction(most);
      try {
        await this.#commit(groups);
      } catch (error) {
        this.#groups.endTransaction(false);
        this.#storeFails = true;
        if (this.#fault && (await this.#allToJournal())) this.#recovered();
        this.#notTaken((error as Error).message);
        this.#writeSoon(retryMs);
        return;
      }
      this.#groups.endTransaction(true);
      for (const { stored } of groups) stored();
    } while (most === groupSize || this.#storable > this.#groups.journaled);
    this.#direct = false;
    this.#storeFails = false;
    if (this.#groups.areAllJournaled) this.#recovered();
    // Groups that were journaled meanwhile can wait.
    if (this.#groups.journaled > 0) this.#writeSoon(takeOverAfterMs);
  }

  async #commit(groups: readonly Group[]): Promise<void> {
    const { sequences, queues } = transactionOf(groups, {
      queues: this.#queues,
      found: this.#found,
      newestTaken: this.#newestTaken,
      idsAfter: this.#idsAfter,
    });
    const { limits } = this.#options;
    const journal = this.#groups.recordTakenWith(groups, this.#taken);
    const now = this.#clock.now();
    const changed = await this.#disk.change({ now, limits, sequences, queues, journal });
    this.#taken = journal;
    this.#journal?.taken(journal);
    for (const [name, { put, newestId, ...gone }] of queues) {
      this.#newestTaken.set(name, newestId);
      // The queue may have been opened meanwhile.
      const queue = this.#queues.get(name);
      if (!queue) continue;
      const { evicted, oldestAt } = changed.get(name)!;
      if (evicted.length > 0) {
        this.#faults.warn(`outbox: full, the oldest messages of ${name} are discarded`, {
          dropped: evicted.length,
        });
      }
      queue.written(put, gone, evicted, oldestAt);
    }
  }

  /** @returns whether the journal has everything while the store fails */
  async #allToJournal(): Promise<boolean> {
    if (this.#storing) return false;
    while (!this.#groups.areAllJournaled) if (!(await this.#toJournal())) return false;
    this.#direct = false;
    return true;
  }

  /** It is not a fault as long as the journal can be written. */
  #notTaken(why: string): void {
    if (this.#groups.isWaiting && (this.#direct || this.#fault || !this.#journal)) this.#failed(why);
    else
      this.#faults.warn(
        `outbox: the store cannot be written (${firstLine(why)}); results go to its journal until that is full`,
      );
  }

  #failed(why: string): void {
    const first = this.#fault === '';
    if (first) void this.#numbers.uncertain(true);
    this.#fault = `results cannot be written to the disk (${firstLine(why)}): they are kept in memory and lost if the agent ends; free some space and check the disk`;
    this.#faults.warn(`outbox: ${this.#fault}`);
    this.#keepInMemory();
    if (first) this.#deps.onFault();
  }

  #recovered(): void {
    if (this.#fault === '') return;
    this.#ending = this.#fault;
    this.#fault = '';
    this.#faults.clear();
    void this.#numbers.uncertain(false).then(() => {
      this.#ending = '';
      if (this.#fault !== '') return;
      this.#deps.log.info('outbox: results are on the disk again');
      this.#deps.onFault();
    });
  }

  /** Sends from memory what the disk does not accept, up to the limit of parts in memory. */
  #keepInMemory(): void {
    const dropped = this.#groups.dropOver(this.#options.memoryParts);
    if (dropped.length > 0) {
      this.#faults.warn('outbox: the memory for results is full as well, the oldest are discarded');
      for (const { queue, id } of dropped.flatMap(({ rows }) => rows)) this.#queues.get(queue)!.lose(id);
    }
    for (const { part, rows, at, stored } of this.#groups.notJournaled) {
      // A number that is sent before the mark covers it would be given to another part after a crash.
      if (part && !this.#numbers.isNoted(part.camera, part.sequence)) {
        void this.#numbers.noted().then(() => this.#fault && this.#keepInMemory());
        return;
      }
      for (const { queue, id, json } of rows) this.#queues.get(queue)!.keep({ id, at, json });
      stored();
    }
  }

  /** @throws QcError outbox-failed if unacknowledged messages could not be written to the disk */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ageing);
    await this.#storing;
    await this.#write();
    // Once more for messages that arrived or were acknowledged meanwhile.
    await this.#storing;
    await this.#write();
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#disk.close();
    await this.#journal?.close();
    await this.#numbers.close();
    const isGone = ({ queue, id }: Group['rows'][number]) => this.#queues.get(queue)!.isGone(id);
    const lost = this.#groups.notJournaled.filter(({ rows }) => !rows.every(isGone));
    if (lost.length > 0) {
      const what = `messages of ${lost.length} parts are lost: neither the disk nor the broker accepted them`;
      throw new QcError('outbox-failed', what);
    }
  }
}

const firstLine = (text: string) => text.split('\n')[0];
