import type { FastifyRateLimitStore } from '@fastify/rate-limit';

/** Maximum number of counted addresses and tokens; the one unseen for longest is dropped first. */
const maxKeys = 5_000;

interface Window {
  count: number;
  readonly sinceMs: number;
}

type Counted = Parameters<Parameters<FastifyRateLimitStore['incr']>[1]>;

/**
 * Counts requests per key in fixed windows on the monotonic clock. The store of the plugin itself uses the wall clock:
 * if that is set back, a client that reached the limit is refused until the clock has caught up.
 */
export class RateLimitStore implements FastifyRateLimitStore {
  /** Unseen for longest first. */
  readonly #windows = new Map<string, Window>();

  incr(key: string, callback: (...counted: Counted) => void, windowMs: number): void {
    const now = performance.now();
    const before = this.#windows.get(key);
    const window = before && now - before.sinceMs < windowMs ? before : { count: 0, sinceMs: now };
    window.count++;
    this.#windows.delete(key);
    this.#windows.set(key, window);
    if (this.#windows.size > maxKeys) this.#windows.delete(this.#windows.keys().next().value!);
    callback(null, { current: window.count, ttl: windowMs - (now - window.sinceMs) });
  }

  child(): RateLimitStore {
    return new RateLimitStore();
  }
}
