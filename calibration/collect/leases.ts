/**
 * Which parts of the queue are kept for whom, so that two people who label at the same time see different parts. A lease
 * ends by itself when its holder stops asking; nothing is locked: whoever answers first decides.
 */
import { monotonicMs } from '../../models/run/monotonic.ts';

export interface Leases {
  /**
   * Renews the leases of a holder and adds to them, in the order of the parts. The parts are shared evenly among all
   * holders, at least one and at most four each.
   * @param resultIds all parts that wait, the most instructive first
   * @returns those that are kept for this holder, in the order in which it got them
   */
  renew(holder: string, resultIds: readonly string[]): readonly string[];
  /** Whether somebody else has it. */
  isTaken(resultId: string, holder: string): boolean;
  /** The holder has left. */
  release(holder: string): void;
}

export interface LeaseOptions {
  /** ms */
  readonly lastMs?: number;
  /** Monotonic, ms. */
  readonly now?: () => number;
}

/** The one on the screen, and pictures that are loaded ahead of it. */
const mostEach = 4;
/** A page asks far more often. */
const defaultLastMs = 30_000;
/** Bounds the memory; browsers that only come and go expire. */
const mostHolders = 64;

interface Lease {
  readonly resultIds: ReadonlySet<string>;
  readonly until: number;
}

export function createLeases({ lastMs = defaultLastMs, now = monotonicMs }: LeaseOptions = {}): Leases {
  const leases = new Map<string, Lease>();
  const expire = () => {
    for (const [holder, { until }] of leases) if (until <= now()) leases.delete(holder);
  };
  const isTaken = (resultId: string, holder: string) => {
    for (const [other, { resultIds }] of leases) {
      if (other !== holder && resultIds.has(resultId)) return true;
    }
    return false;
  };

  return {
    renew(holder, resultIds) {
      expire();
      const own = leases.get(holder)?.resultIds ?? [];
      const holders = leases.size + (leases.has(holder) ? 0 : 1);
      const share = Math.min(mostEach, Math.max(1, Math.floor(resultIds.length / holders)));
      const free = resultIds.filter((id) => !isTaken(id, holder));
      // What is on the screen stays there: it is the first that this holder got.
      const still = new Set(free);
      const kept = new Set([...own].filter((id) => still.has(id)));
      for (const id of free) if (kept.size < share) kept.add(id);
      const held = [...kept].slice(0, share);
      leases.delete(holder);
      leases.set(holder, { resultIds: new Set(held), until: now() + lastMs });
      for (const oldest of leases.keys()) if (leases.size > mostHolders) leases.delete(oldest);
      return held;
    },
    isTaken(resultId, holder) {
      expire();
      return isTaken(resultId, holder);
    },
    release: (holder) => void leases.delete(holder),
  };
}
