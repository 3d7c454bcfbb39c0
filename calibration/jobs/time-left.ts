/** Estimates how long a step of a job will still take, from its progress so far. */

/** Earlier, an estimate is unreliable. */
const minElapsedMs = 5_000;

/** @returns a function that gives the seconds that the current step will still take; undefined if unknown */
export function createTimeLeft(now: () => number = () => performance.now()) {
  let current = { step: '', done: 0, at: 0 };
  return (step: string, done: number, total: number): number | undefined => {
    if (step !== current.step || done < current.done) current = { step, done, at: now() };
    const elapsed = now() - current.at;
    const progress = done - current.done;
    if (elapsed < minElapsedMs || progress <= 0) return undefined;
    return Math.round(((elapsed / progress) * (total - done)) / 1000);
  };
}
