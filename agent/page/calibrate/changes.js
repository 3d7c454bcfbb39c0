/** Changes made on this page: sent one at a time in the order they were made, and undone newest first. */
import { post } from '../shared/api-client.js';
import { shortTimeOf } from '../shared/format.js';
import { fromAgent, t, tn } from '../shared/language.js';

/** @import { Mark } from '../../../calibration/dataset/shapes.ts' */
/** @import { CandidateEntry } from './candidate-queue.js' */
/** @import { OverviewStore } from './overview.js' */
/** @import { Toasts } from './toast.js' */

/** @typedef {ReturnType<typeof createChanges>} Changes */

/**
 * @typedef {object} Change
 * @property {string} text what it did
 * @property {CandidateEntry} [entry] the part that was labelled
 * @property {boolean} [hadNoEffect] it failed, or the label was the same before
 */

/**
 * changed: something was made, sent or undone; restored: an undone part is to be shown again;
 * removed: that undo failed, so the part is not to be shown.
 * @typedef {object} Listeners
 * @property {() => void} changed
 * @property {(entry: CandidateEntry, what: 'label' | 'skip') => void} restored
 * @property {(entry: CandidateEntry) => void} removed
 */

const maxChanges = 50;

/** @param {{overview: OverviewStore, toasts: Toasts}} deps */
export function createChanges({ overview, toasts }) {
  /** @type {Promise<unknown>} */
  let chain = Promise.resolve();
  let inFlight = 0;
  /** @type {Change[]} */
  let made = [];
  /** A skip is sent only with the next answer, so that it can be undone. @type {CandidateEntry | undefined} */
  let pendingSkip;
  /** @type {Listeners[]} */
  const listeners = [];
  const notifyChanged = () => {
    for (const { changed } of listeners) changed();
  };
  /** @param {CandidateEntry} entry @param {'label' | 'skip'} what */
  const notifyRestored = (entry, what) => {
    for (const { restored } of listeners) restored(entry, what);
  };

  /**
   * @template Answer
   * @param {() => Promise<Answer>} work
   * @returns {Promise<Answer>}
   */
  const send = (work) => {
    inFlight++;
    const sent = chain.then(work);
    chain = sent
      .catch(() => undefined)
      .then(() => {
        inFlight--;
        return inFlight === 0 ? overview.refresh() : undefined;
      })
      .then(notifyChanged);
    return sent;
  };
  const sendSkip = () => {
    const entry = pendingSkip;
    pendingSkip = undefined;
    if (entry) send(() => post(`api/v1/candidates/${entry.part.resultId}/skip`)).catch(toasts.error);
  };
  /** @param {Change} change @param {() => Promise<any>} work @returns {Promise<any>} the agent's answer */
  const make = (change, work) => {
    sendSkip();
    made = [...made.slice(1 - maxChanges), change];
    notifyChanged();
    const forget = () => {
      change.hadNoEffect = true;
      made = made.filter((one) => one !== change);
    };
    return send(async () => {
      try {
        const answer = await work();
        if (answer.outcome === 'same') forget();
        return answer;
      } catch (error) {
        forget();
        throw error;
      }
    });
  };

  return {
    /** @param {Partial<Listeners>} listener */
    subscribe({ changed = () => {}, restored = () => {}, removed = () => {} }) {
      listeners.push({ changed, restored, removed });
    },
    /** What undo would revert, or why it cannot; the text is empty if there is nothing to undo. */
    get undoable() {
      if (pendingSkip) return { text: t('skipped {part}', { part: pendingSkip.part.partId }), canUndo: true };
      // A change that is still being sent is not part of the overview yet.
      const newest = made.at(-1);
      if (inFlight > 0 && newest) return { text: newest.text, canUndo: true };
      const last = overview.value?.undo;
      if (!last) return { text: '', canUndo: false };
      if (last.overtakenBy !== null) {
        return {
          text: t('{change}: not possible, {name} has changed it since', {
            change: fromAgent(last.words),
            name: last.overtakenBy,
          }),
          canUndo: false,
        };
      }
      return {
        text: t('{change} (you, {time})', { change: fromAgent(last.words), time: shortTimeOf(last.at) }),
        canUndo: true,
      };
    },
    /** @param {CandidateEntry} entry @param {string} label */
    label(entry, label) {
      const { resultId, partId } = entry.part;
      const body = {
        resultId,
        label,
        ...(entry.marks && { marks: entry.marks }),
        ...(entry.isCorrection ? {} : { ifUnlabelled: true }),
      };
      return make({ text: t('label {label} of part {part}', { label, part: partId }), entry }, () =>
        post('api/v1/labels', body),
      );
    },
    /** @param {CandidateEntry} entry */
    skip(entry) {
      sendSkip();
      pendingSkip = entry;
      notifyChanged();
    },
    /** @param {string[]} ids @param {string} label */
    relabel: (ids, label) =>
      make(
        { text: tn('label {label} of {n} frame', 'label {label} of {n} frames', ids.length, { label }) },
        () => post('api/v1/dataset/relabel', { ids, label }),
      ),
    /** @param {string} id @param {Mark[]} marks @param {'keep' | 'remove'} areas */
    mark: (id, marks, areas) =>
      make({ text: t('marks') }, async () => {
        const { changed } = await post(`api/v1/dataset/frames/${id}/marks`, { marks, areas });
        return { outcome: changed ? 'marked' : 'same' };
      }),
    /** @param {string[]} ids */
    remove: (ids) =>
      make({ text: tn('removal of {n} frame', 'removal of {n} frames', ids.length) }, () =>
        post('api/v1/dataset/remove', { ids }),
      ),
    /** @param {'rename' | 'merge' | 'delete'} kind @param {{label: string, to?: string}} body */
    changeLabel: (kind, body) =>
      make({ text: t('change of the label {label}', { label: body.label }) }, () =>
        post(`api/v1/dataset/labels/${kind}`, body),
      ),
    async undo() {
      if (pendingSkip) {
        const entry = pendingSkip;
        pendingSkip = undefined;
        notifyRestored(entry, 'skip');
        notifyChanged();
        return;
      }
      const last = made.pop();
      // The change shown is named to the agent; one that is still being sent has no number, but it is the last one.
      const shown = inFlight === 0 ? overview.value?.undo : undefined;
      if (!last && !shown) {
        toasts.note(t('There is nothing to undo.'));
        return;
      }
      // At once, so that the next key press applies to the restored part.
      if (last?.entry) notifyRestored(last.entry, 'label');
      try {
        const answer = await send(async () =>
          last?.hadNoEffect ? undefined : post('api/v1/dataset/undo', { change: shown?.change }),
        );
        if (answer) toasts.note(t('Undone: {change}', { change: fromAgent(answer.undone) }));
      } catch (error) {
        if (last) made.push(last);
        if (last?.entry) for (const { removed } of listeners) removed(last.entry);
        toasts.error(error);
      }
    },
  };
}
