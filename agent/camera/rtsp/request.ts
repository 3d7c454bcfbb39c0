/** Parses bytes from an RTSP connection into requests and interleaved packets (RFC 2326 §4, §6, §10.12). */

export interface RtspRequest {
  readonly method: string;
  readonly url: string;
  /** Field names in lower case; a repeated field is joined with a comma. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export type Incoming =
  | { readonly kind: 'request'; readonly request: RtspRequest }
  /** RTP or RTCP that the client sends inside the connection, e.g. its receiver reports. */
  | { readonly kind: 'interleaved'; readonly channel: number; readonly packet: Buffer }
  /** Text that is not a request; answered with 400. `fatal`: the following bytes cannot be parsed. */
  | { readonly kind: 'malformed'; readonly cseq: string | undefined; readonly fatal: boolean };

const maxHeaderBytes = 16 * 1024;
const maxBodyBytes = 64 * 1024;
const requestLine = /^([A-Z_]+) (\S+) RTSP\/\d\.\d$/;

/** Collects bytes until something is complete; never holds more than one header and one body. */
export class RequestReader {
  #pending: Buffer = Buffer.alloc(0);

  /** Takes the next bytes and returns what they complete, in order. */
  push(chunk: Buffer): Incoming[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const complete: Incoming[] = [];
    for (let next = this.#take(); next; next = this.#take()) complete.push(next);
    return complete;
  }

  #take(): Incoming | undefined {
    let start = 0;
    while (this.#pending[start] === 0x0d || this.#pending[start] === 0x0a) start++;
    const bytes = this.#pending.subarray(start);
    if (bytes[0] === 0x24) return this.#takeInterleaved(bytes);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0 || end > maxHeaderBytes) {
      if (bytes.length <= maxHeaderBytes) return undefined;
      this.#pending = Buffer.alloc(0);
      return { kind: 'malformed', cseq: undefined, fatal: true };
    }
    return this.#takeRequest(bytes, end);
  }

  #takeInterleaved(bytes: Buffer): Incoming | undefined {
    if (bytes.length < 4) return undefined;
    const length = bytes.readUInt16BE(2);
    if (bytes.length < 4 + length) return undefined;
    this.#pending = bytes.subarray(4 + length);
    return { kind: 'interleaved', channel: bytes.readUInt8(1), packet: bytes.subarray(4, 4 + length) };
  }

  #takeRequest(bytes: Buffer, end: number): Incoming | undefined {
    const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
    const headers = parseHeaders(lines);
    const length = Number(headers?.get('content-length') ?? 0);
    if (!Number.isInteger(length) || length < 0 || length > maxBodyBytes) {
      this.#pending = Buffer.alloc(0);
      return { kind: 'malformed', cseq: headers?.get('cseq'), fatal: true };
    }
    const next = end + 4 + length;
    if (bytes.length < next) return undefined;
    this.#pending = bytes.subarray(next);
    const [, method, url] = requestLine.exec(first) ?? [];
    if (!method || !url || !headers) return { kind: 'malformed', cseq: headers?.get('cseq'), fatal: false };
    return { kind: 'request', request: { method, url, headers, body: bytes.subarray(end + 4, next) } };
  }
}

function parseHeaders(lines: readonly string[]): Map<string, string> | undefined {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return undefined;
    const field = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(field);
    headers.set(field, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}
