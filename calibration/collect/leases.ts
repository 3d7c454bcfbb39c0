/**
 * Reserves parts of the queue, so that two people who label at the same time see different parts. A lease expires when its holder
 * stops requesting parts. Nothing is locked: the first answer counts.
 */
import { monotonicMs } from '../../models/run/monotonic.ts';

export interface Leases {
  /**
   * Renews the leases of a holder and adds to them, in the order of the parts. The parts are shared evenly among all
   * holders, at least one and at most four each.
   * @param resultIds all parts in the queue, the most informative first
   * @returns the parts reserved for this holder, in the order in which they were reserved
   */
  renew(holder: string, resultIds: readonly string[]): readonly string[];
  /** Whether it is reserved for another holder. */
  isTaken(resultId: string, holder: string): boolean;
  /** Ends the leases of a holder. */
  release(holder: string): void;
}

export interface LeaseOptions {
  /** ms */
  readonly lastMs?: number;
  /** Monotonic, ms. */
  readonly now?: () => number;
}

/** Maximum per holder: the part on the screen and images that are preloaded. */
const maxPerHolder = 4;
/** A page requests parts far more often. */
const defaultLastMs = 30_000;
/** Maximum number of holders, which bounds the memory. */
const maxHolders = 64;

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
      const share = Math.min(maxPerHolder, Math.max(1, Math.floor(resultIds.length / holders)));
      const free = resultIds.filter((id) => !isTaken(id, holder));
      // The part on the screen stays first: it was the first to be reserved.
      const still = new Set(free);
      const kept = new Set([...own].filter((id) => still.has(id)));
      for (const id of free) if (kept.size < share) kept.add(id);
      const reserved = [...kept].slice(0, share);
      leases.delete(holder);
      leases.set(holder, { resultIds: new Set(reserved), until: now() + lastMs });
      for (const oldest of leases.keys()) if (leases.size > maxHolders) leases.delete(oldest);
      return reserved;
    },
    isTaken(resultId, holder) {
      expire();
      return isTaken(resultId, holder);
    },
    release: (holder) => void leases.delete(holder),
  };
}
