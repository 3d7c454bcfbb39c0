/** The parts that this browser labels next. The agent reserves them, so that other browsers get different parts. */
import { ApiError, candidateImagePath, connection, fetchImage, get } from '../shared/api-client.js';
import { t } from '../shared/language.js';
import { user } from '../shared/user.js';

/** @import { Mark } from '../../../calibration/dataset/shapes.ts' */
/** @import { CandidateView } from '../../../calibration/views.ts' */

/** A part to label; one that is corrected may no longer be known to the agent, so most of it is optional. */
/** @typedef {Pick<CandidateView, 'resultId' | 'partId'> & Partial<CandidateView>} Part */

/**
 * @typedef {object} CandidateEntry
 * @property {Part} part
 * @property {boolean} isCorrection an earlier part, opened by a link, whose label may be wrong
 * @property {HTMLImageElement} [image]
 * @property {Mark[]} [marks] where the user marked defects; undefined: nothing was marked here
 * @property {boolean} [isLoading]
 * @property {string | undefined} [problem] why its label could not be saved
 */

const limit = 30;
/** More parts are requested if fewer than this are left. The agent reserves four at most. */
const minEntries = 4;
/** The agent drops a reservation after half a minute, so it is renewed this often, ms. */
const renewMs = 10_000;
/** How long an answer sent earlier may still list a part that was labelled meanwhile, ms. */
const settleMs = 30_000;

/**
 * @param {object} handlers
 * @param {() => void} handlers.onChange
 * @param {(entry: CandidateEntry, error: ApiError) => void} handlers.onGone the image of a part is no longer available
 * @param {(error: unknown) => void} handlers.onError
 */
export function createCandidateQueue({ onChange, onGone, onError }) {
  /** @type {CandidateEntry[]} */
  let entries = [];
  /** Results answered here. @type {Set<string>} */
  const settled = new Set();
  let isFilling = false;
  let filledAt = -renewMs;

  /** @param {CandidateEntry} entry */
  const remove = (entry) => {
    entries = entries.filter((one) => one !== entry);
  };
  /** @param {CandidateEntry} entry */
  const load = async (entry) => {
    if (entry.image || entry.isLoading) return;
    entry.isLoading = true;
    try {
      entry.image = await fetchImage(candidateImagePath(entry.part.resultId));
    } catch (error) {
      // After a lost connection the image is loaded again; one that was deleted never comes back.
      if (error instanceof ApiError && error.code !== 'link-lost' && entries.includes(entry)) {
        remove(entry);
        settled.add(entry.part.resultId);
        onGone(entry, error);
      }
    }
    entry.isLoading = false;
    onChange();
  };
  const changed = () => {
    for (const entry of entries) void load(entry);
    onChange();
  };
  connection.onChange((isUp) => isUp && changed());

  /** @param {readonly CandidateView[]} offered */
  const merge = (offered) => {
    // The agent reserves nothing for a viewer.
    const held = offered.filter((part) => (part.held || !user.canChange) && !settled.has(part.resultId));
    const ids = new Set(held.map(({ resultId }) => resultId));
    // Parts reserved for others are dropped, except the part on the screen, which stays until it is answered.
    entries = entries.filter(
      (one, i) => i === 0 || one.isCorrection || one.problem || ids.has(one.part.resultId),
    );
    const known = new Set(entries.map(({ part }) => part.resultId));
    for (const part of held) if (!known.has(part.resultId)) entries.push({ part, isCorrection: false });
  };

  return {
    /** The part on the screen. */
    get current() {
      return entries[0];
    },
    get size() {
      return entries.length;
    },
    /** Requests parts if few are left, and renews the reservations. @param {number} waiting parts that the agent has */
    async fill(waiting) {
      const isDue = performance.now() - filledAt > renewMs;
      if (isFilling || (waiting === 0 && entries.length === 0)) return;
      if (!isDue && (entries.length >= minEntries || waiting <= entries.length)) return;
      isFilling = true;
      filledAt = performance.now();
      try {
        merge(await get(`api/v1/candidates?limit=${limit}`));
      } catch (error) {
        onError(error);
      } finally {
        isFilling = false;
      }
      changed();
    },
    /** The part is answered; the next one is shown. @param {CandidateEntry} entry */
    take(entry) {
      remove(entry);
      settled.add(entry.part.resultId);
      changed();
    },
    /** The agent has stored the answer and will stop offering the part. @param {CandidateEntry} entry */
    settle(entry) {
      setTimeout(() => settled.delete(entry.part.resultId), settleMs);
    },
    /**
     * Shows the part again: at once after an undo, but as the next part after a failure, because the image must not
     * change while the user is about to press a button.
     * @param {CandidateEntry} entry @param {string} [problem] why its label could not be saved
     */
    bringBack(entry, problem) {
      remove(entry);
      settled.delete(entry.part.resultId);
      entry.problem = problem;
      entries.splice(problem === undefined ? 0 : 1, 0, entry);
      changed();
    },
    /**
     * Another browser has answered the part.
     * @param {string} resultId
     * @returns {CandidateEntry | undefined} the part if it was on the screen and is gone now
     */
    answeredElsewhere(resultId) {
      const entry = entries.find(({ part }) => part.resultId === resultId);
      if (!entry || entry.isCorrection) return undefined;
      const wasShown = entries[0] === entry;
      remove(entry);
      changed();
      return wasShown ? entry : undefined;
    },
    /** The part is not to be answered here any more. @param {CandidateEntry} entry */
    drop(entry) {
      remove(entry);
      changed();
    },
    /** Shows an earlier part whose label may be wrong, before all others. @param {string} resultId @param {Partial<Part>} [part] */
    correct(resultId, part = {}) {
      entries = entries.filter((one) => one.part.resultId !== resultId);
      settled.delete(resultId);
      entries.unshift({ part: { partId: t('this part'), ...part, resultId }, isCorrection: true });
      changed();
    },
  };
}
