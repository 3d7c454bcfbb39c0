/** Closes what was opened, in reverse order; Node 20 has no AsyncDisposableStack. */
export class Closer implements AsyncDisposable {
  #closers: (() => PromiseLike<void> | void)[] = [];

  /** Adds an open resource and returns it, so that opening remains one expression. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#closers.push(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  defer(close: () => PromiseLike<void> | void): void {
    this.#closers.push(close);
  }

  /** Moves everything to a new closer, so that it outlives this scope. */
  move(): Closer {
    const next = new Closer();
    next.#closers = this.#closers;
    this.#closers = [];
    return next;
  }

  /** Runs every closer even if one fails, and throws all failures at the end. */
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
    if (errors.length > 1) throw new AggregateError(errors, 'several parts of the agent failed to close');
  }
}
