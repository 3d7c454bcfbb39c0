/** Ids of the newest messages from before the connection: they count as delayed. */
export interface Before {
  readonly results: number;
  readonly verdicts: number;
}

/** After a longer interruption a message counts as delayed, ms. */
const briefMs = 1_000;

/**
 * Decides which messages count as delayed (historical): those from before the connection. If the broker ended the
 * connection because of a refused message and it is restored at once, the messages around it do not count as delayed.
 */
export class LiveMessages {
  #before: Before | undefined;
  #interruptedAt = Number.NEGATIVE_INFINITY;

  /** @param oldestMs age of the oldest unacknowledged message when the connection ended */
  interrupted(oldestMs: number): void {
    this.#interruptedAt = performance.now() - oldestMs;
  }

  /** @param newest the current newest ids */
  connected(newest: Before): Before {
    const isBrief = performance.now() - this.#interruptedAt < briefMs;
    if (!this.#before || !isBrief) this.#before = newest;
    this.#interruptedAt = Number.NEGATIVE_INFINITY;
    return this.#before;
  }
}
