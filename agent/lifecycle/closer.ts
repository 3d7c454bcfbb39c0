/** Closes what was opened, in reverse order; Node 20 has no AsyncDisposableStack. */
export class Closer implements AsyncDisposable {
  #closers: (() => PromiseLike<void> | void)[] = [];

  /** Adds something open and hands it back, so that opening stays one expression. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#closers.push(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  defer(close: () => PromiseLike<void> | void): void {
    this.#closers.push(close);
  }

  /** Hands everything over to a new closer: what was opened outlives this scope. */
  move(): Closer {
    const next = new Closer();
    next.#closers = this.#closers;
    this.#closers = [];
    return next;
  }

  /** Every closer runs even where one fails; the failures are thrown together at the end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'several things failed to close');
  }
}
