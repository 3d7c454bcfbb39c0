/** Parses bytes from a camera: text replies and requests, with packets between them (RFC 2326 sections 7 and 10.12). */

export interface Reply {
  readonly kind: 'reply';
  readonly status: number;
  readonly phrase: string;
  readonly headers: Headers;
  readonly body: string;
}

/** Cameras can send requests as well: keep-alive, or redirection. */
export interface CameraRequest {
  readonly kind: 'request';
  readonly method: string;
  readonly headers: Headers;
}

/** Field names in lower case. A field that is repeated has several values. */
export type Headers = ReadonlyMap<string, readonly string[]>;

export interface ReplyEvents {
  /** Whole packets and parts of them, with their framing, as received. */
  onPackets(bytes: Buffer): void;
  /** A packet starts: its payload is in `data` from `start` to `end`, as far as it has arrived. */
  onPacket(channel: number, data: Buffer, start: number, end: number): void;
  onText(text: Reply | CameraRequest): void;
  /** The data is not RTSP; called once, with the first bytes. */
  onNonsense(first: Buffer): void;
}

const maxHeaderBytes = 16 * 1024;
const maxBodyBytes = 1024 * 1024;
const dollar = 0x24;
const firstLine = /^(?:RTSP\/\d\.\d +(\d{3}) *([^\r\n]*)|([A-Z_]{3,16}) \S+ RTSP\/\d\.\d)\r?\n/;
/** Matches data that can still become a first line when more bytes arrive. */
const beginning =
  /^(?:R(?:T(?:S(?:P(?:\/[\d. ]*)?)?)?)?|[A-Z_]{1,16})$|^(?:RTSP\/\d\.\d |[A-Z_]{3,16} )[^\r\n]*\r?$/;

/**
 * Splits what a camera sends. Packets are passed on as slices of the chunks, without a copy. After each text it waits for
 * one turn of the event loop, so that a reply is handled before the packets that follow it.
 */
export class ReplyReader {
  readonly #events: ReplyEvents;
  #pending: Buffer = Buffer.alloc(0);
  /** Bytes of the current packet that have not arrived yet. */
  #rest = 0;
  #isKnown = false;
  #waits = false;

  constructor(events: ReplyEvents) {
    this.#events = events;
  }

  push(chunk: Buffer): void {
    const data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (this.#waits) {
      this.#pending = data;
      return;
    }
    this.#pending = empty;
    let at = 0;
    let from = 0;
    const passOn = () => {
      if (at > from) this.#events.onPackets(data.subarray(from, at));
    };
    while (at < data.length) {
      if (this.#rest > 0) {
        const part = Math.min(this.#rest, data.length - at);
        at += part;
        this.#rest -= part;
        continue;
      }
      if (data[at] === dollar) {
        if (at + 4 > data.length) break;
        const length = data.readUInt16BE(at + 2);
        this.#events.onPacket(data[at + 1]!, data, at + 4, Math.min(at + 4 + length, data.length));
        at += 4;
        this.#rest = length;
        continue;
      }
      passOn();
      const next = this.#text(data, at);
      if (next === undefined) {
        this.#pending = data.subarray(at);
        return;
      }
      at = from = next;
      if (this.#waits) break;
    }
    passOn();
    if (at < data.length) this.#pending = data.subarray(at);
  }

  /** Reads a text that starts at `at` and returns its end; undefined if it is incomplete. */
  #text(data: Buffer, at: number): number | undefined {
    if (data[at] === 0x0d || data[at] === 0x0a) return at + 1;
    const text = data.toString('latin1', at, Math.min(data.length, at + maxHeaderBytes));
    const [line, status, phrase = '', method] = firstLine.exec(text) ?? [];
    if (line === undefined) {
      if (beginning.test(text) && text.length < maxHeaderBytes) return undefined;
      if (!this.#isKnown) this.#events.onNonsense(data.subarray(at, at + 64));
      this.#isKnown = true;
      return skipNonsense(data, at);
    }
    const blank = /\r?\n\r?\n/.exec(text);
    if (!blank) return text.length < maxHeaderBytes ? undefined : skipNonsense(data, at);
    const headers = readHeaders(text.slice(line.length, blank.index));
    const bodyAt = at + blank.index + blank[0].length;
    const length = Number(headers.get('content-length')?.[0] ?? 0);
    const bodyLength = Number.isInteger(length) && length > 0 && length <= maxBodyBytes ? length : 0;
    if (data.length < bodyAt + bodyLength) return undefined;
    this.#isKnown = true;
    const body = data.toString('utf8', bodyAt, bodyAt + bodyLength);
    this.#waits = true;
    setImmediate(() => {
      this.#waits = false;
      this.push(empty);
    });
    this.#events.onText(
      method === undefined
        ? { kind: 'reply', status: Number(status), phrase, headers, body }
        : { kind: 'request', method, headers },
    );
    return bodyAt + bodyLength;
  }
}

const empty = Buffer.alloc(0);

/** Where the next packet or text can start. */
function skipNonsense(data: Buffer, at: number): number {
  for (let next = at + 1; next < data.length; next++) {
    if (data[next] === dollar || data.toString('latin1', next, next + 5) === 'RTSP/') return next;
  }
  return data.length;
}

function readHeaders(text: string): Headers {
  const headers = new Map<string, string[]>();
  for (const line of text.split(/\r?\n(?![ \t])/)) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return headers;
}
