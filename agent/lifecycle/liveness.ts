/**
 * Whether the line's work goes on. A watchdog ends the process over what is said here, so it says only what a restart
 * can mend: work that was begun and does not end, a supervision that stands still, a model that is gone for good.
 * A camera or a broker that is away is none of these: it is retried for ever, and the station is degraded meanwhile.
 */
export class Liveness {
  readonly #hangs: ((now: number) => string | undefined)[] = [];

  /**
   * One kind of work, many pieces of which may be under way: it hangs where none has ended for `patienceMs` although
   * some were begun. Hands back what every piece is passed through.
   * @param excused whether something else accounts for the wait at the moment
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

  /** A loop that must turn; `turnedAt` is when it last did, on the monotonic clock, ms. */
  loop(what: string, patienceMs: number, turnedAt: () => number): void {
    this.#hangs.push((now) =>
      now - turnedAt() > patienceMs ? `${what} has stood still for ${seconds(now - turnedAt())}` : undefined,
    );
  }

  /** Something that may be at fault for a while, but not for ever. Looked at whenever `hang` is asked. */
  fault(what: string, patienceMs: number, fault: () => string | undefined): void {
    let wellAt = performance.now();
    this.#hangs.push((now) => {
      const said = fault();
      if (said === undefined) wellAt = now;
      return now - wellAt > patienceMs
        ? `${what} is out of order for ${seconds(now - wellAt)}: ${said}`
        : undefined;
    });
  }

  /** What hangs, in the operator's words; undefined while the work goes on. */
  hang(now = performance.now()): string | undefined {
    return this.#hangs.map((look) => look(now)).find((said) => said !== undefined);
  }
}

const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;
