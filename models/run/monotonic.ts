/**
 * Now, ms, by a clock that only ever goes forward and that all threads and processes of this machine share
 * (`performance.now()` begins anew in each of them). Only differences mean anything.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
