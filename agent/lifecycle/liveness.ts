/**
 * Detects work that hangs. A watchdog then restarts the process, so only faults that a restart can fix are reported: work
 * that does not end, a loop that does not progress, a model that remains unavailable. An unavailable camera or broker is
 * not such a case: it is retried forever, and the station is degraded meanwhile.
 */
export class Liveness {
  readonly #hangs: ((now: number) => string | undefined)[] = [];

  /**
   * Watches one kind of work, of which several pieces may be in progress: it hangs if none has ended for `patienceMs` although
   * some have started. Returns a wrapper for each piece.
   * @param excused whether the wait has another cause at the moment
   */
  job(what: string, patienceMs: number, excused: () => boolean = () => false) {
    let begun = 0;
    let progressAt = 0;
    this.#hangs.push((now) => {
      if (begun === 0) return undefined;
      if (excused()) progressAt = now;
      return now - progressAt > patienceMs
        ? `${what} has not ended for ${seconds(now - progressAt)}`
        : undefined;
    });
    return async <T>(work: () => Promise<T>): Promise<T> => {
      if (begun++ === 0) progressAt = performance.now();
      try {
        return await work();
      } finally {
        begun--;
        progressAt = performance.now();
      }
    };
  }

  /** Watches a loop; `lastActiveAt` is the time of its last iteration on the monotonic clock, ms. */
  loop(what: string, patienceMs: number, lastActiveAt: () => number): void {
    this.#hangs.push((now) =>
      now - lastActiveAt() > patienceMs
        ? `${what} has not progressed for ${seconds(now - lastActiveAt())}`
        : undefined,
    );
  }

  /** Watches something that may fail for some time, but not forever. Checked at each call of `hang`. */
  fault(what: string, patienceMs: number, fault: () => string | undefined): void {
    let wellAt = performance.now();
    this.#hangs.push((now) => {
      const said = fault();
      if (said === undefined) wellAt = now;
      return now - wellAt > patienceMs
        ? `${what} has failed for ${seconds(now - wellAt)}: ${said}`
        : undefined;
    });
  }

  /** What hangs, for the operator; undefined if nothing does. */
  hang(now = performance.now()): string | undefined {
    return this.#hangs.map((look) => look(now)).find((said) => said !== undefined);
  }
}

const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;
