/** The parts that this browser labels next: the agent keeps them for it, so that others see different ones. */
import { ApiError, candidatePicture, fetchPicture, get, link } from '../shared/api-client.js';
import { person } from '../shared/user.js';

const asked = 30;
/** Fewer parts than this are here: ask for more. The agent keeps four at most. */
const low = 4;
/** What is kept has to be asked for again within half a minute, ms. */
const renewMs = 10_000;
/** For so long an answer that was on its way may still offer a part that is done, ms. */
const settleMs = 30_000;

/**
 * @typedef {{part: object, isCorrection: boolean, image?: HTMLImageElement, loading?: boolean, problem?: string}} Entry
 * @param {{onChange: () => void, onGone: (entry: Entry, error: ApiError) => void, onError: (error: unknown) => void}} handlers
 */
export function createCandidateQueue({ onChange, onGone, onError }) {
  /** @type {Entry[]} */
  let entries = [];
  const settled = new Set();
  let isFilling = false;
  let filledAt = -renewMs;

  const remove = (entry) => {
    entries = entries.filter((one) => one !== entry);
  };
  const load = async (entry) => {
    if (entry.image || entry.loading) return;
    entry.loading = true;
    try {
      entry.image = await fetchPicture(candidatePicture(entry.part.resultId));
    } catch (error) {
      // With the link the picture comes back; what is no longer kept never does.
      if (error instanceof ApiError && error.code !== 'link-lost' && entries.includes(entry)) {
        remove(entry);
        settled.add(entry.part.resultId);
        onGone(entry, error);
      }
    }
    entry.loading = false;
    onChange();
  };
  const changed = () => {
    for (const entry of entries) void load(entry);
    onChange();
  };
  link.onChange((isUp) => isUp && changed());

  /** @param {object[]} offered */
  const merge = (offered) => {
    // For who only looks nothing is kept.
    const held = offered.filter((part) => (part.held || !person.canChange) && !settled.has(part.resultId));
    const ids = new Set(held.map(({ resultId }) => resultId));
    // What is kept for others is not shown; the part in sight stays until it is answered.
    entries = entries.filter(
      (one, i) => i === 0 || one.isCorrection || one.problem || ids.has(one.part.resultId),
    );
    const known = new Set(entries.map(({ part }) => part.resultId));
    for (const part of held) if (!known.has(part.resultId)) entries.push({ part, isCorrection: false });
  };

  return {
    get current() {
      return entries[0];
    },
    get size() {
      return entries.length;
    },
    /** Asks for more where few are left, and again for those that are here. @param {number} waiting what the agent says waits */
    async fill(waiting) {
      const isDue = performance.now() - filledAt > renewMs;
      if (isFilling || (waiting === 0 && entries.length === 0)) return;
      if (!isDue && (entries.length >= low || waiting <= entries.length)) return;
      isFilling = true;
      filledAt = performance.now();
      try {
        merge(await get(`api/v1/candidates?limit=${asked}`));
      } catch (error) {
        onError(error);
      } finally {
        isFilling = false;
      }
      changed();
    },
    /** It is answered, and the next one comes up. @param {Entry} entry */
    take(entry) {
      remove(entry);
      settled.add(entry.part.resultId);
      changed();
    },
    /** The agent has taken the answer: soon it offers the part no more. @param {Entry} entry */
    settle(entry) {
      setTimeout(() => settled.delete(entry.part.resultId), settleMs);
    },
    /**
     * Comes back right away after an undo, but only as the next one after a failure: the picture must not change
     * under a finger that is about to press. @param {Entry} entry @param {string} [problem]
     */
    bringBack(entry, problem) {
      remove(entry);
      settled.delete(entry.part.resultId);
      entry.problem = problem;
      entries.splice(problem === undefined ? 0 : 1, 0, entry);
      changed();
    },
    /** Somebody else has answered it. @param {string} resultId @returns {Entry | undefined} what was in sight, if it is gone */
    answeredElsewhere(resultId) {
      const entry = entries.find(({ part }) => part.resultId === resultId);
      if (!entry || entry.isCorrection) return undefined;
      const wasInSight = entries[0] === entry;
      remove(entry);
      changed();
      return wasInSight ? entry : undefined;
    },
    /** @param {Entry} entry no longer to be answered here */
    drop(entry) {
      remove(entry);
      changed();
    },
    /** A past part whose label was wrong, whatever waits. @param {string} resultId */
    correct(resultId, part = {}) {
      entries = entries.filter((one) => one.part.resultId !== resultId);
      settled.delete(resultId);
      entries.unshift({ part: { resultId, partId: 'this part', ...part }, isCorrection: true });
      changed();
    },
  };
}
