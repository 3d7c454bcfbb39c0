/** Ids of the newest messages put before the connection: they have waited for the broker. */
export interface Before {
  readonly results: number;
  readonly verdicts: number;
}

/** After a longer interruption a message counts as having waited for the broker, ms. */
const briefMs = 1_000;

/**
 * Which messages have waited for the broker: those put before the connection. A connection that the broker ended over
 * a refused message, and that is back at once, is no reason to call its neighbours historical.
 */
export class LiveMessages {
  #before: Before | undefined;
  #interruptedAt = Number.NEGATIVE_INFINITY;

  /** @param oldestMs how long the oldest unacknowledged message had been on its way when the connection ended */
  interrupted(oldestMs: number): void {
    this.#interruptedAt = performance.now() - oldestMs;
  }

  /** @param newest as they are now */
  connected(newest: Before): Before {
    const isBrief = performance.now() - this.#interruptedAt < briefMs;
    if (!this.#before || !isBrief) this.#before = newest;
    this.#interruptedAt = Number.NEGATIVE_INFINITY;
    return this.#before;
  }
}
