import type { Numbered } from './outbox.ts';
import type { Row } from './row-code.ts';

/** The messages of one part. */
export interface Group {
  readonly rows: readonly {
    readonly queue: string;
    readonly id: number;
    readonly json: string;
  }[];
  readonly at: number;
  readonly part: Numbered | undefined;
  readonly stored: () => void;
  /** The journal record that contains it; 0 if none does. */
  record: number;
}

/**
 * Groups that are not in the store yet, oldest first:
 *
 *   [ in flight to the store | in the journal | being written to the journal | only in memory ]
 *     0 … #inFlight            … #journaled     … + #journaling.length
 *
 * `#inFlight` overlaps the journaled groups: a group stays in the journal until its transaction is on the disk.
 */
export class Groups {
  #list: Group[];
  #journaled: number;
  #journaling: readonly Group[] = [];
  #inFlight = 0;

  /** @param journaled the content of the journal at the start */
  constructor(journaled: readonly Group[]) {
    this.#list = [...journaled];
    this.#journaled = journaled.length;
  }

  get all(): readonly Group[] {
    return this.#list;
  }

  /** Groups that are not in the journal. */
  get notJournaled(): readonly Group[] {
    return this.#list.slice(this.#journaled);
  }

  get areAllJournaled(): boolean {
    return this.#list.length === this.#journaled;
  }

  /** Whether there are groups that are neither in the journal nor being written to it. */
  get isWaiting(): boolean {
    return this.#list.length > this.#journaled + this.#journaling.length;
  }

  /** Number of groups in the journal. */
  get journaled(): number {
    return this.#journaled;
  }

  add(group: Group): void {
    this.#list.push(group);
  }

  /** The next groups for the journal, at most this many; end it with `endRecord`. */
  beginRecord(most: number): readonly Group[] {
    this.#journaling = this.#list.slice(this.#journaled, this.#journaled + most);
    return this.#journaling;
  }

  /** @param record number of the record that contains the groups now; undefined if it was not written */
  endRecord(record: number | undefined): void {
    if (record !== undefined) {
      for (const group of this.#journaling) group.record = record;
      this.#journaled += this.#journaling.length;
    }
    this.#journaling = [];
  }

  /** Number of groups that may be written to the store now. @param isDirect also those that are not in the journal */
  storable(isDirect: boolean): number {
    return isDirect && this.#journaling.length === 0 ? this.#list.length : this.#journaled;
  }

  /** The oldest groups, for a transaction of the store; end it with `endTransaction`. */
  beginTransaction(count: number): readonly Group[] {
    const groups = this.#list.slice(0, count);
    this.#inFlight = groups.length;
    return groups;
  }

  endTransaction(isStored: boolean): void {
    if (isStored) {
      this.#list = this.#list.slice(this.#inFlight);
      this.#journaled = Math.max(0, this.#journaled - this.#inFlight);
    }
    this.#inFlight = 0;
  }

  /**
   * The newest journal record that is completely in the store once these groups, the oldest, are stored.
   * @param taken the newest such record now
   */
  recordTakenWith(groups: readonly Group[], taken: number): number {
    const newest = groups.findLast(({ record }) => record > 0)?.record ?? taken;
    return this.#list[groups.length]?.record === newest ? newest - 1 : newest;
  }

  /** Removes the oldest groups that are only in memory, until at most this many groups are not in the journal. */
  dropOver(most: number): readonly Group[] {
    const over = this.#list.length - this.#journaled - most;
    if (over <= 0) return [];
    return this.#list.splice(Math.max(this.#inFlight, this.#journaled + this.#journaling.length), over);
  }
}

export const queuesOf = (groups: readonly Group[]): string[] =>
  groups.flatMap(({ rows }) => rows.map(({ queue }) => queue));

/** Rows of one queue. */
export function rowsOf(name: string, groups: readonly Group[]): Row[] {
  return groups.flatMap(({ rows, at }) =>
    rows.filter(({ queue }) => queue === name).map(({ id, json }) => ({ id, at, json })),
  );
}
