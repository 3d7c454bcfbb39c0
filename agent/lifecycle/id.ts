import { randomFillSync } from 'node:crypto';
import { decodeTime, monotonicFactory } from 'ulid';
import { monotonicMs } from '../../models/run/monotonic.ts';

const pool = new Uint8Array(4096);
let used = pool.length;

/** Uniform in [0, 1), from a pool: a system call for each character would take a third of a millisecond per id. */
function random(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool[used++]! / 256;
}

const next = monotonicFactory(random);
/** Time of the newest id, ms since the epoch, and when it was made, by `monotonicMs`. */
let newest = { time: 0, at: 0 };

/**
 * A new ULID: 48 bits of time, ms since the epoch, then 80 random bits. Each sorts after all earlier ones as text: if the clock
 * is set back, the time in the ids continues from the newest one until the clock has caught up.
 */
export function newId(now = Date.now()): string {
  const at = monotonicMs();
  const time = now >= newest.time ? now : Math.floor(newest.time + at - newest.at);
  newest = { time, at };
  return next(time);
}

/** Makes new ids sort after this one, which an earlier process created. @param id a ULID */
export function idsGoOnAfter(id: string): void {
  const time = decodeTime(id) + 1;
  if (time > newest.time) newest = { time, at: monotonicMs() };
}
