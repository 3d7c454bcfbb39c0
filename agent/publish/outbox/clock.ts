/** Maximum plausible time that an agent is switched off, ms; a longer time means that a clock was or is wrong. */
const maxOffMs = 30 * 86_400_000;

export interface OutboxClock {
  /** ms; never decreases, and does not jump while the process runs. */
  now(): number;
}

/**
 * The clock that measures the age of messages. It continues from the time when the store was last written, plus the time
 * that the machine was off, if the wall clock is plausible: a machine without a battery starts in 1970, and messages must
 * not seem fifty years old and be discarded once its clock is set.
 * @param last when the store was last written, by this clock; undefined for a new or an empty one
 */
export function outboxClock(last: number | undefined, wall = Date.now()): OutboxClock {
  const off = last === undefined ? 0 : wall - last;
  const start = last === undefined ? wall : last + (off >= 0 && off <= maxOffMs ? off : 0);
  const startedAt = performance.now();
  return { now: () => start + (performance.now() - startedAt) };
}
