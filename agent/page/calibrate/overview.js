/** The overview as the agent tells it, asked for again and again: the agent's state is the only one there is. */
import { ApiError, get } from '../shared/api-client.js';

const everyMs = 1_000;
/** Nobody looks: seldom is enough. */
const hiddenEveryMs = 5_000;

/** @param {{onMissing: () => void}} handlers onMissing: this agent has no calibration */
export function createStore({ onMissing }) {
  const listeners = new Set();
  let value;
  let timer;
  let tellReady;
  const ready = new Promise((resolve) => {
    tellReady = resolve;
  });
  let isLoading = false;
  let isWantedAgain = false;

  const load = async () => {
    clearTimeout(timer);
    // One at a time, so that an old answer never replaces a newer one.
    if (isLoading) {
      isWantedAgain = true;
      return;
    }
    isLoading = true;
    isWantedAgain = false;
    try {
      value = await get('api/v1/calibration');
      tellReady();
      for (const listener of listeners) listener(value);
    } catch (error) {
      // A lost link is shown by its own banner, and every other failure will come again.
      if (error instanceof ApiError && error.code === 'http-not-found') onMissing();
      else if (!(error instanceof ApiError)) throw error;
    } finally {
      isLoading = false;
      clearTimeout(timer);
      timer = setTimeout(load, isWantedAgain ? 0 : document.hidden ? hiddenEveryMs : everyMs);
    }
  };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void load();
  });

  return {
    /** Undefined until the agent has answered once. */
    get value() {
      return value;
    },
    /** Kept once the agent has answered. */
    ready,
    isGood: (label) => value?.labels.some(({ name, good }) => good && name === label) ?? false,
    refresh: load,
    /** @param {(overview: object) => void} listener told of each overview, and at once of the newest */
    subscribe(listener) {
      listeners.add(listener);
      if (value) listener(value);
    },
  };
}
