/** Callers that wait for a value. */
export class Waiting {
  readonly #wakes = new Set<() => void>();

  /** Makes all callers check again. */
  wake(): void {
    for (const wake of this.#wakes) wake();
    this.#wakes.clear();
  }

  /** Resolves with the value of `look` as soon as it is defined; rejects when the signal aborts. */
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
