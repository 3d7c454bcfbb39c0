/** Pending requests in lanes that are served in turn, so that one busy camera does not delay the others. */
export class Lanes<T> {
  readonly #lanes = new Map<string, T[]>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  lengthOf(lane: string): number {
    return this.#lanes.get(lane)?.length ?? 0;
  }

  push(lane: string, one: T): void {
    const waiting = this.#lanes.get(lane);
    if (waiting) waiting.push(one);
    else this.#lanes.set(lane, [one]);
    this.#length++;
  }

  /** Takes at most `max` requests, one of each lane in turn, in the order within each lane. */
  take(max: number): T[] {
    const taken: T[] = [];
    while (taken.length < max && this.#length > 0) {
      const [lane, waiting] = this.#lanes.entries().next().value!;
      taken.push(waiting.shift()!);
      this.#length--;
      // The lane moves to the end of the round; an empty lane is removed.
      this.#lanes.delete(lane);
      if (waiting.length > 0) this.#lanes.set(lane, waiting);
    }
    return taken;
  }

  /** The earliest time among the pending requests; undefined if there are none. */
  oldest(when: (one: T) => number): number | undefined {
    let oldest: number | undefined;
    for (const [first] of this.#lanes.values()) {
      const at = when(first!);
      if (oldest === undefined || at < oldest) oldest = at;
    }
    return oldest;
  }
}
