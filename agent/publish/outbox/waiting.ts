/** Those who wait for something to be there. */
export class Waiting {
  readonly #wakes = new Set<() => void>();

  /** Everybody looks again. */
  wake(): void {
    for (const wake of this.#wakes) wake();
    this.#wakes.clear();
  }

  /** What `look` gives as soon as it gives something; rejects when the signal aborts. */
  async until<T>(look: () => T | undefined, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener('abort', wake);
          this.#wakes.delete(wake);
          resolve();
        };
        signal.addEventListener('abort', wake);
        this.#wakes.add(wake);
      });
    }
  }
}
