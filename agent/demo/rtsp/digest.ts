/** Digest access authentication with MD5 (RFC 2617 §3.2; RFC 7616 keeps it), as used by RTSP cameras. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

const realm = 'qc demo camera';

/** Challenges one connection and checks its answers; the nonce is valid for this connection only. */
export class DigestGuard {
  readonly #credentials: Credentials;
  readonly #nonce = randomBytes(16).toString('hex');

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /** Value of WWW-Authenticate. No qop is offered: RTSP clients such as GStreamer support only the simple form. */
  get challenge(): string {
    return `Digest realm="${realm}", nonce="${this.#nonce}", algorithm=MD5`;
  }

  /** Whether the value of an Authorization field proves that the client knows the password. */
  allows(authorization: string | undefined, method: string): boolean {
    if (!authorization || !/^digest\s/i.test(authorization)) return false;
    const given = parseParameters(authorization);
    if (given.get('username') !== this.#credentials.user || given.get('nonce') !== this.#nonce) return false;
    const ha1 = md5(`${this.#credentials.user}:${realm}:${this.#credentials.password}`);
    const ha2 = md5(`${method}:${given.get('uri') ?? ''}`);
    const qop = given.get('qop');
    const middle = qop ? `${this.#nonce}:${given.get('nc')}:${given.get('cnonce')}:${qop}` : this.#nonce;
    const expected = Buffer.from(md5(`${ha1}:${middle}:${ha2}`));
    const response = Buffer.from((given.get('response') ?? '').toLowerCase());
    return response.length === expected.length && timingSafeEqual(response, expected);
  }
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

function parseParameters(header: string): Map<string, string> {
  const pairs = header.matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g);
  return new Map(
    Array.from(pairs, ([, key = '', quoted, bare]) => [key.toLowerCase(), quoted ?? bare ?? '']),
  );
}
