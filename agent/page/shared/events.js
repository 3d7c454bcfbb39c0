/** Follows the agent's events for ever, and tells when the link is silent. */

/** The agent speaks every second; this long without a word means that what is shown is old, ms. */
const silenceMs = 4_000;
const reopenMs = 2_000;

/**
 * @param {string} url
 * @param {{onEvent: (name: string, data: unknown) => void, onLink: (up: boolean) => void}} handlers
 */
export function followEvents(url, { onEvent, onLink }) {
  let source;
  let heardAt = 0;
  let isUp;

  const tellLink = (up) => {
    if (up === isUp) return;
    isUp = up;
    onLink(up);
  };
  const open = () => {
    source?.close();
    source = new EventSource(url);
    heardAt = performance.now();
    for (const name of ['station', 'result', 'answer']) {
      source.addEventListener(name, (event) => {
        heardAt = performance.now();
        tellLink(true);
        onEvent(name, JSON.parse(event.data));
      });
    }
    source.addEventListener('error', () => tellLink(false));
  };
  open();
  setInterval(() => {
    const silentFor = performance.now() - heardAt;
    if (silentFor < silenceMs) return;
    tellLink(false);
    // The browser gives up for good on some answers, and does not notice a dead link at all.
    open();
  }, reopenMs);
}
