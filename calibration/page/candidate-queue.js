/** The parts that wait for a label, with the next pictures at hand before they are asked for. */
import { ApiError, candidatePicture, fetchPicture, get, link } from './api-client.js';

/** Pictures loaded before they are needed. */
const ahead = 6;
/** Fewer than this wait here: ask for more. */
const low = 12;
const asked = 30;
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
    for (const entry of entries.slice(0, ahead)) void load(entry);
    onChange();
  };
  link.onChange((isUp) => isUp && changed());

  /** @param {object[]} offered */
  const merge = (offered) => {
    const ids = new Set(offered.map(({ resultId }) => resultId));
    const isWhole = offered.length < asked;
    // What others labelled meanwhile is not offered again; the part in sight stays until it is answered.
    if (isWhole) {
      entries = entries.filter(
        (one, i) => i === 0 || one.isCorrection || one.problem || ids.has(one.part.resultId),
      );
    }
    const known = new Set(entries.map(({ part }) => part.resultId));
    for (const part of offered) {
      if (!known.has(part.resultId) && !settled.has(part.resultId))
        entries.push({ part, isCorrection: false });
    }
  };

  return {
    get current() {
      return entries[0];
    },
    get size() {
      return entries.length;
    },
    /** Asks for more where few are left. @param {number} waiting what the agent says waits */
    async fill(waiting) {
      const isEnough = entries.length >= low || (waiting <= entries.length && waiting >= entries.length);
      if (isFilling || isEnough) return;
      isFilling = true;
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
