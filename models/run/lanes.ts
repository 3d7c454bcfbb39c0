/** Who waits for the model: in lanes that take turns, so that one busy camera makes no other one wait longer. */
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

  /** At most `most`, one of each lane in turn, each lane in its own order. */
  take(most: number): T[] {
    const taken: T[] = [];
    while (taken.length < most && this.#length > 0) {
      const [lane, waiting] = this.#lanes.entries().next().value!;
      taken.push(waiting.shift()!);
      this.#length--;
      // To the end of the round; an empty lane is gone.
      this.#lanes.delete(lane);
      if (waiting.length > 0) this.#lanes.set(lane, waiting);
    }
    return taken;
  }

  /** Whoever has waited longest, by what `when` says; undefined where nobody waits. */
  oldest(when: (one: T) => number): number | undefined {
    let oldest: number | undefined;
    for (const [first] of this.#lanes.values()) {
      const at = when(first!);
      if (oldest === undefined || at < oldest) oldest = at;
    }
    return oldest;
  }
}
