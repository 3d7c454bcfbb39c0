/** Due times of the challenge test: times of day on the clock of the machine. */

/**
 * The newest due time that is not after `now`; undefined without times. In the night in which the clock changes, a time that
 * does not exist is due an hour later.
 * @param times such as `06:00`
 * @param now ms since the epoch
 */
export function newestDue(times: readonly string[], now: number): number | undefined {
  const day = new Date(now);
  const all = times.flatMap((time) => {
    const [hours = 0, minutes = 0] = time.split(':').map(Number);
    return [0, 1].map((daysAgo) =>
      new Date(day.getFullYear(), day.getMonth(), day.getDate() - daysAgo, hours, minutes).getTime(),
    );
  });
  const past = all.filter((at) => at <= now);
  return past.length > 0 ? Math.max(...past) : undefined;
}
