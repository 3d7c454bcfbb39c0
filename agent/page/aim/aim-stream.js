/** Follows the stream for aiming a camera, and reconnects until it is closed. */
import { problemText } from '../shared/api-client.js';
import { t } from '../shared/language.js';
import { checkSession } from '../shared/user.js';

/** @import { AimRecord } from '../../http/aim-view.ts' */

/** The agent sends a state every second; after this much silence the connection counts as lost, ms. */
const silenceMs = 4_000;
const reconnectMs = 1_500;
const headBytes = 8;

/**
 * @typedef {object} Handlers
 * @property {(record: AimRecord, jpeg: Blob | undefined) => void} onRecord
 * @property {(problem: string) => void} onConnection empty while connected
 */

/**
 * Follows the stream while the page is visible: a hidden page would cost the station work for nothing.
 * @param {string} url @param {Handlers} handlers
 * @returns {{close(): void}}
 */
export function followAim(url, { onRecord, onConnection }) {
  let attempt = new AbortController();
  let isClosed = false;

  /** @param {AbortSignal} signal */
  const read = async (signal) => {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), silenceMs);
    try {
      const response = await fetch(url, { signal: AbortSignal.any([signal, silent.signal]) });
      if (response.status === 401) await checkSession();
      if (!response.ok || !response.body) {
        const body = await response.json().catch(() => undefined);
        onConnection(
          body?.error
            ? problemText(body.error)
            : t('the agent answered with status {status}', { status: String(response.status) }),
        );
        return;
      }
      onConnection('');
      const reader = response.body.getReader();
      const records = createRecordReader(onRecord);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), silenceMs);
        records.push(value);
      }
    } catch {
      if (!signal.aborted) onConnection(t('No connection to the agent. Reconnecting …'));
    } finally {
      clearTimeout(timer);
    }
  };
  const run = async () => {
    const { signal } = attempt;
    while (!signal.aborted) {
      await read(signal);
      await new Promise((resolve) => setTimeout(resolve, reconnectMs));
    }
  };
  const followVisibility = () => {
    attempt.abort();
    if (isClosed || document.hidden) return;
    attempt = new AbortController();
    void run();
  };
  document.addEventListener('visibilitychange', followVisibility);
  followVisibility();
  return {
    close() {
      isClosed = true;
      document.removeEventListener('visibilitychange', followVisibility);
      attempt.abort();
    },
  };
}

/**
 * Splits bytes into records: lengths of JSON and image (4 bytes each, big-endian), JSON, image.
 * @param {Handlers['onRecord']} onRecord
 */
function createRecordReader(onRecord) {
  let kept = new Uint8Array();
  return {
    /** @param {Uint8Array} chunk */
    push(chunk) {
      let bytes = chunk;
      if (kept.length > 0) {
        bytes = new Uint8Array(kept.length + chunk.length);
        bytes.set(kept);
        bytes.set(chunk, kept.length);
      }
      let at = 0;
      while (bytes.length - at >= headBytes) {
        const head = new DataView(bytes.buffer, bytes.byteOffset + at, headBytes);
        const [json, image] = [head.getUint32(0), head.getUint32(4)];
        const end = at + headBytes + json + image;
        if (bytes.length < end) break;
        const text = new TextDecoder().decode(bytes.subarray(at + headBytes, at + headBytes + json));
        const jpeg =
          image > 0 ? new Blob([bytes.slice(end - image, end)], { type: 'image/jpeg' }) : undefined;
        onRecord(JSON.parse(text), jpeg);
        at = end;
      }
      kept = bytes.slice(at);
    },
  };
}
