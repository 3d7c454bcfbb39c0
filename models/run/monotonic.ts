/**
 * The current time of a monotonic clock that all threads and processes of this machine share, ms (`performance.now()` has its own
 * origin in each of them). Only differences are meaningful.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
