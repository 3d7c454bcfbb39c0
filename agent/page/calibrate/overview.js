/** Polls the overview. The page keeps no state of its own that the agent also has. */
import { ApiError, get } from '../shared/api-client.js';

/** @import { Overview } from '../../../calibration/views.ts' */
/** @typedef {Overview['labels'][number]} Label */
/** @typedef {ReturnType<typeof createOverviewStore>} OverviewStore */

const intervalMs = 1_000;
/** While the page is in the background, ms. */
const hiddenIntervalMs = 5_000;

/** @param {{onMissing: () => void}} handlers onMissing: this agent has no calibration */
export function createOverviewStore({ onMissing }) {
  /** @type {Set<(overview: Overview) => void>} */
  const listeners = new Set();
  /** @type {Overview | undefined} */
  let value;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let setReady = () => {};
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => {
    setReady = resolve;
  });
  let isLoading = false;
  let isWantedAgain = false;

  const load = async () => {
    clearTimeout(timer);
    // One request at a time, so that an old answer never replaces a newer one.
    if (isLoading) {
      isWantedAgain = true;
      return;
    }
    isLoading = true;
    isWantedAgain = false;
    try {
      /** @type {Overview} */
      const loaded = await get('api/v1/calibration');
      value = loaded;
      setReady();
      for (const listener of listeners) listener(loaded);
    } catch (error) {
      // The banner reports a lost connection, and any other failure is retried by the next poll.
      if (error instanceof ApiError && error.code === 'http-not-found') onMissing();
      else if (!(error instanceof ApiError)) throw error;
    } finally {
      isLoading = false;
      clearTimeout(timer);
      timer = setTimeout(load, isWantedAgain ? 0 : document.hidden ? hiddenIntervalMs : intervalMs);
    }
  };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void load();
  });

  return {
    /** Undefined before the first answer. */
    get value() {
      return value;
    },
    /** Fulfilled with the first answer. */
    ready,
    /** @param {string} label */
    isGood: (label) => value?.labels.some(({ name, good }) => good && name === label) ?? false,
    refresh: load,
    /** @param {(overview: Overview) => void} listener called with the latest overview at once, and with each new one */
    subscribe(listener) {
      listeners.add(listener);
      if (value) listener(value);
    },
  };
}
