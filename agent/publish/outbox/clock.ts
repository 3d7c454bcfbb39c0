/** Longer than an agent is switched off; what seems longer is a clock that was wrong before or is now, ms. */
const maxOffMs = 30 * 86_400_000;

export interface OutboxClock {
  /** ms; never runs backwards, and does not jump while the process runs. */
  now(): number;
}

/**
 * The time by which the age of messages is measured. It goes on from when the store was last written, plus the time
 * the machine was off as far as its clock can be believed: a machine without a battery starts in 1970, and messages must
 * not seem fifty years old, and be thrown away, once it has asked for the time.
 * @param last when the store was last written, by this clock; undefined for a new or an empty one
 */
export function outboxClock(last: number | undefined, wall = Date.now()): OutboxClock {
  const off = last === undefined ? 0 : wall - last;
  const start = last === undefined ? wall : last + (off >= 0 && off <= maxOffMs ? off : 0);
  const startedAt = performance.now();
  return { now: () => start + (performance.now() - startedAt) };
}
