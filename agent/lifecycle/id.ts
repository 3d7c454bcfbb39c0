import { randomFillSync } from 'node:crypto';
import { decodeTime, monotonicFactory } from 'ulid';
import { monotonicMs } from '../../models/run/monotonic.ts';

const pool = new Uint8Array(4096);
let used = pool.length;

/** Uniform in [0, 1), from a pool: asking the system for every character costs a third of a millisecond an id. */
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
 * A new ULID: 48 bits of time, ms since the epoch, then 80 random bits. Each sorts after those before it as text: if the clock
 * is set back, the time in the ids goes on from the newest one until the clock has caught up.
 */
export function newId(now = Date.now()): string {
  const at = monotonicMs();
  const time = now >= newest.time ? now : Math.floor(newest.time + at - newest.at);
  newest = { time, at };
  return next(time);
}

/** Ids sort after this one, which was made before the start of this process. @param id a ULID */
export function idsGoOnAfter(id: string): void {
  const time = decodeTime(id) + 1;
  if (time > newest.time) newest = { time, at: monotonicMs() };
}
