/** What is changed from this page: sent one after the other as it was made, and undone newest first. */
import { post } from '../shared/api-client.js';
import { shortTimeOf } from './rates.js';

const kept = 50;

/**
 * @typedef {{words: string, entry?: object, isVain?: boolean}} Change isVain: it changed nothing in the end
 * @param {{store: object, toasts: object}} deps
 */
export function createChanges({ store, toasts }) {
  let chain = Promise.resolve();
  let inFlight = 0;
  /** @type {Change[]} */
  let made = [];
  /** Sent with the next answer only, so that a slip of the finger can be undone. */
  let heldSkip;
  const listeners = { change: [], back: [], away: [] };
  const tell = (name, ...args) => {
    for (const listener of listeners[name]) listener(...args);
  };

  const send = (work) => {
    inFlight++;
    const sent = chain.then(work);
    chain = sent
      .catch(() => undefined)
      .then(() => {
        inFlight--;
        if (inFlight === 0) return store.refresh();
      })
      .then(() => tell('change'));
    return sent;
  };
  const sendSkip = () => {
    const entry = heldSkip;
    heldSkip = undefined;
    if (entry) send(() => post(`api/v1/candidates/${entry.part.resultId}/skip`)).catch(toasts.error);
  };
  /** @param {Change} change @param {() => Promise<object>} work */
  const make = async (change, work) => {
    sendSkip();
    made = [...made.slice(1 - kept), change];
    tell('change');
    const forget = () => {
      change.isVain = true;
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
    /** @param {'change' | 'back' | 'away'} name back: an undone part; away: its undo failed @param {Function} listener */
    on: (name, listener) => void listeners[name].push(listener),
    /** What undo would revert, or why it cannot; empty words where there is nothing. */
    get undoable() {
      if (heldSkip) return { words: `skipped ${heldSkip.part.partId}`, canUndo: true };
      // What is on its way is not in the overview yet.
      if (inFlight > 0 && made.length > 0) return { words: made.at(-1).words, canUndo: true };
      const last = store.value?.undo;
      if (!last) return { words: '', canUndo: false };
      if (last.overtakenBy !== null) {
        return {
          words: `${last.words}: not possible, ${last.overtakenBy} has changed it since`,
          canUndo: false,
        };
      }
      return { words: `${last.words} (you, ${shortTimeOf(last.at)})`, canUndo: true };
    },
    label(entry, label) {
      const { resultId, partId } = entry.part;
      const body = { resultId, label, ...(entry.isCorrection ? {} : { ifUnlabelled: true }) };
      return make({ words: `${partId} is ${label}`, entry }, () => post('api/v1/labels', body));
    },
    skip(entry) {
      sendSkip();
      heldSkip = entry;
      tell('change');
    },
    relabel: (ids, label) =>
      make({ words: `${framesOf(ids)} to ${label}` }, () => post('api/v1/dataset/relabel', { ids, label })),
    remove: (ids) =>
      make({ words: `removed ${framesOf(ids)}` }, () => post('api/v1/dataset/remove', { ids })),
    /** @param {{label: string, to?: string}} asked @param {'rename' | 'merge' | 'delete'} kind */
    changeLabel: (kind, asked) =>
      make({ words: `${kind} ${asked.label}` }, () => post(`api/v1/dataset/labels/${kind}`, asked)),
    async undo() {
      if (heldSkip) {
        const entry = heldSkip;
        heldSkip = undefined;
        tell('back', entry, 'skip');
        tell('change');
        return;
      }
      const last = made.pop();
      // What was shown is what is meant; what is on its way has no number yet, but it is the last one.
      const shown = inFlight === 0 ? store.value?.undo : undefined;
      if (!last && !shown) {
        toasts.note('There is nothing to undo.');
        return;
      }
      // At once, so that a quick next key meets the part it is meant for.
      if (last?.entry) tell('back', last.entry, 'label');
      try {
        const answer = await send(async () =>
          last?.isVain ? undefined : post('api/v1/dataset/undo', { change: shown?.change }),
        );
        if (answer) toasts.note(`Undone: ${answer.undone}`);
      } catch (error) {
        if (last) made.push(last);
        if (last?.entry) tell('away', last.entry);
        toasts.error(error);
      }
    },
  };
}

const framesOf = (ids) => (ids.length === 1 ? '1 frame' : `${ids.length} frames`);
