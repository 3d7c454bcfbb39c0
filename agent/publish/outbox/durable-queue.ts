/** One queue of the outbox on disk: tracks delivered, acknowledged and pending messages. */
import type { z } from 'zod';
import type { OutboxClock } from './clock.ts';
import type { FoundQueue } from './disk.ts';
import type { Letter, Outbox, OutboxEntry } from './outbox.ts';
import type { Read, Row } from './row-code.ts';
import { Waiting } from './waiting.ts';

/** Rows read from the disk at once. */
const readAtOnce = 64;
/** Number of rows cached for the next readers. */
const remembered = 256;

const olderFound = 'older messages were found on the disk and are sent first';

export interface QueueDeps {
  readonly clock: OutboxClock;
  read(after: number, limit: number): Promise<Read[]>;
  /** Called when rows can be removed from the disk. */
  onGone(): void;
  onDamaged(id: number): void;
}

/** Rows that can be removed from the disk. */
export interface Leaving {
  readonly remove: readonly number[];
  readonly setAside: readonly number[];
}

export class DurableQueue<M> implements Outbox<M> {
  readonly name: string;
  readonly #schema: z.ZodType<M>;
  readonly #deps: QueueDeps;
  readonly #waiting = new Waiting();
  /** Cached rows after an id. They never change except by removal, because nothing is inserted in between. */
  readonly #following = new Map<number, Read>();
  /** Delivered to a reader and not yet acknowledged. */
  readonly #handedOut = new Set<number>();
  /** Acknowledged or damaged, and still on the disk. */
  readonly #acknowledged = new Set<number>();
  readonly #damaged = new Set<number>();
  /** Rows that are not in the store yet, in order: they are in the journal, or the disk fails. */
  readonly #inMemory = new Map<number, Row>();
  #newestKept = 0;
  /** Incremented when older messages are found. */
  #adoptions = 0;
  /** Pending calls of `next`. */
  #reading = 0;
  /** Readers that have read newer messages must restart. */
  #rejectsNext = false;
  #onDiskUpTo: number;
  #oldestAt: number | undefined;
  newestId: number;
  size: number;
  dropped: number;

  /** @param journaled id of the newest message found in the journal but not yet in the store */
  constructor(
    name: string,
    schema: z.ZodType<M>,
    found: FoundQueue | undefined,
    journaled: readonly Row[],
    deps: QueueDeps,
  ) {
    this.name = name;
    this.#schema = schema;
    this.#deps = deps;
    this.newestId = found?.newestId ?? 0;
    this.#onDiskUpTo = journaled[0] ? journaled[0].id - 1 : this.newestId;
    for (const row of journaled) this.keep(row);
    this.size = found?.messages ?? 0;
    this.dropped = found?.dropped ?? 0;
    this.#oldestAt = found?.oldestAt;
  }

  /** The disk is available now and has older messages. Readers that have read newer ones must restart. */
  adopt({ messages, dropped, oldestAt }: FoundQueue): void {
    this.size += messages;
    this.dropped += dropped;
    if (messages === 0) return;
    if (oldestAt !== undefined) this.#oldestAt = oldestAt;
    this.#adoptions++;
    this.#rejectsNext = this.#reading === 0;
    this.#waiting.wake();
  }

  letter(message: M): Letter {
    return { queue: this.name, message };
  }

  async next(after: number, signal: AbortSignal): Promise<OutboxEntry<M>> {
    const beginsAnew = after > 0 && this.#rejectsNext;
    this.#rejectsNext = false;
    if (beginsAnew) throw new Error(olderFound);
    this.#reading++;
    try {
      return await this.#nextOf(after, signal);
    } finally {
      this.#reading--;
    }
  }

  async #nextOf(after: number, signal: AbortSignal): Promise<OutboxEntry<M>> {
    const adoptions = this.#adoptions;
    for (let at = after; ; ) {
      signal.throwIfAborted();
      if (adoptions !== this.#adoptions) throw new Error(olderFound);
      // Registered before reading, so that rows which arrive while the disk is read are not missed.
      const before = this.#newestVisible;
      const upTo = this.#onDiskUpTo;
      const onDisk = await this.#onDisk(at);
      // A row from memory may have been moved to the disk meanwhile.
      if (!onDisk && this.#onDiskUpTo !== upTo) continue;
      const row = onDisk ?? this.#kept(at);
      if (!row) {
        const isNews = () => this.#newestVisible > before || adoptions !== this.#adoptions || undefined;
        await this.#waiting.until(isNews, signal);
        continue;
      }
      at = row.id;
      if (this.isGone(row.id)) continue;
      const message = this.#decode(row);
      if (message === undefined) {
        this.#setAside(row.id);
        continue;
      }
      signal.throwIfAborted();
      this.#handedOut.add(row.id);
      return { id: row.id, message };
    }
  }

  ack(id: number): void {
    if (!this.#handedOut.delete(id)) return;
    this.size--;
    this.#acknowledged.add(id);
    this.#inMemory.delete(id);
    this.#deps.onGone();
  }

  discard(id: number): void {
    if (!this.#handedOut.has(id)) return;
    this.dropped++;
    this.ack(id);
  }

  get oldestAgeMs(): number {
    return this.size === 0 || this.#oldestAt === undefined
      ? 0
      : Math.max(0, this.#deps.clock.now() - this.#oldestAt);
  }

  /** Allocates an id for a new message. */
  add(at: number): number {
    if (this.size === 0) this.#oldestAt = at;
    this.size++;
    return ++this.newestId;
  }

  /** Whether it was acknowledged, discarded or dropped. */
  isGone(id: number): boolean {
    return this.#acknowledged.has(id) || this.#damaged.has(id);
  }

  /** Keeps a row that is sent from memory until the store has it. */
  keep(row: Row): void {
    if (this.#inMemory.has(row.id) || this.isGone(row.id)) return;
    this.#inMemory.set(row.id, row);
    this.#newestKept = row.id;
    this.#waiting.wake();
  }

  /** Counts a message as lost: neither disk nor memory had room. */
  lose(id: number): void {
    this.#inMemory.delete(id);
    this.#handedOut.delete(id);
    if (this.#acknowledged.delete(id)) return;
    this.size--;
    this.dropped++;
  }

  leaving(): Leaving {
    return { remove: [...this.#acknowledged], setAside: [...this.#damaged] };
  }

  /** Called when a transaction is on the disk. */
  written(
    put: readonly Row[],
    gone: Leaving,
    evicted: readonly number[],
    oldestAt: number | undefined,
  ): void {
    for (const id of gone.remove) this.#acknowledged.delete(id);
    for (const id of gone.setAside) this.#damaged.delete(id);
    for (const id of evicted) {
      this.#handedOut.delete(id);
      if (this.#acknowledged.delete(id) || this.#damaged.delete(id)) continue;
      this.size--;
      this.dropped++;
    }
    const changed = gone.remove.length + gone.setAside.length + evicted.length > 0;
    if (changed || this.#following.size > remembered) this.#following.clear();
    if (oldestAt !== undefined) this.#oldestAt = oldestAt;
    for (const row of put) {
      this.#inMemory.delete(row.id);
      // A reader that has sent all earlier rows takes it from memory, without reading the disk.
      if (put.length <= remembered && evicted.length === 0) this.#following.set(this.#onDiskUpTo, row);
      this.#onDiskUpTo = row.id;
    }
    if (put.length > 0) this.#waiting.wake();
  }

  get #newestVisible(): number {
    return Math.max(this.#onDiskUpTo, this.#newestKept);
  }

  async #onDisk(after: number): Promise<Read | undefined> {
    if (after >= this.#onDiskUpTo) return undefined;
    const known = this.#following.get(after);
    if (known) return known;
    const rows = await this.#deps.read(after, readAtOnce);
    if (this.#following.size > remembered) this.#following.clear();
    let before = after;
    for (const row of rows) {
      this.#following.set(before, row);
      before = row.id;
    }
    return rows[0];
  }

  #kept(after: number): Row | undefined {
    for (const [id, row] of this.#inMemory) if (id > after) return row;
    return undefined;
  }

  #decode(row: Read): M | undefined {
    if ('damaged' in row) return undefined;
    try {
      return this.#schema.parse(JSON.parse(row.json));
    } catch {
      return undefined;
    }
  }

  #setAside(id: number): void {
    this.#damaged.add(id);
    this.size--;
    this.dropped++;
    this.#deps.onDamaged(id);
    this.#deps.onGone();
  }
}
