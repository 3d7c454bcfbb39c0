/** Follows the agent's events and reports when the connection is lost. */

/** @import { AnswerEvent, StationEvent } from '../../http/views.ts' */
/** @import { Result } from '../../publish/messages.ts' */

/**
 * @typedef {object} Handlers
 * @property {(event: StationEvent) => void} onStation
 * @property {(result: Result) => void} [onResult]
 * @property {(answer: AnswerEvent) => void} [onAnswer]
 * @property {(isUp: boolean) => void} [onConnection]
 */

/** The agent sends an event every second; after this much silence the connection counts as lost, ms. */
const silenceMs = 4_000;
const reopenMs = 2_000;

/** @param {string} url @param {Handlers} handlers */
export function followEvents(url, { onStation, onResult, onAnswer, onConnection }) {
  /** @type {EventSource | undefined} */
  let source;
  let lastEventAt = 0;
  /** @type {boolean | undefined} */
  let isUp;

  /** @param {boolean} value */
  const setUp = (value) => {
    if (value === isUp) return;
    isUp = value;
    onConnection?.(value);
  };
  /** @type {[string, ((data: any) => void) | undefined][]} */
  const listeners = [
    ['station', onStation],
    ['result', onResult],
    ['answer', onAnswer],
  ];
  const open = () => {
    source?.close();
    source = new EventSource(url);
    lastEventAt = performance.now();
    for (const [name, listener] of listeners) {
      source.addEventListener(name, (event) => {
        lastEventAt = performance.now();
        setUp(true);
        listener?.(JSON.parse(event.data));
      });
    }
    source.addEventListener('error', () => setUp(false));
  };
  open();
  setInterval(() => {
    if (performance.now() - lastEventAt < silenceMs) return;
    setUp(false);
    // EventSource does not reconnect after some status codes and does not detect a dead connection.
    open();
  }, reopenMs);
}
