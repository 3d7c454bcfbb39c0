/** A bounded number of unacknowledged messages; urgent callers get the next place. */
export class Window {
  readonly #signal: AbortSignal;
  readonly #waiting = { urgent: [] as (() => void)[], other: [] as (() => void)[] };
  #places: number;
  #taken = 0;

  /** @param signal rejects all waiting callers when it aborts */
  constructor(places: number, signal: AbortSignal) {
    this.#places = places;
    this.#signal = signal;
    signal.addEventListener('abort', () => {
      for (const wake of [...this.#waiting.urgent, ...this.#waiting.other]) wake();
    });
  }

  async take(urgent: boolean): Promise<void> {
    if (this.#taken < this.#places) this.#taken++;
    else await new Promise<void>((resolve) => this.#waiting[urgent ? 'urgent' : 'other'].push(resolve));
    this.#signal.throwIfAborted();
  }

  give(): void {
    this.#taken--;
    this.#fill();
  }

  /** A smaller size takes effect as messages are acknowledged. */
  resize(places: number): void {
    this.#places = places;
    this.#fill();
  }

  #fill(): void {
    while (this.#taken < this.#places) {
      const next = this.#waiting.urgent.shift() ?? this.#waiting.other.shift();
      if (!next) return;
      this.#taken++;
      next();
    }
  }
}
