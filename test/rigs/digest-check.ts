/** Basic and Digest authentication on the camera's side, written from RFC 7616, independent of the agent's code. */
import { createHash, randomBytes } from 'node:crypto';

export interface CameraLogin {
  readonly user: string;
  readonly password: string;
  /** Offered methods in order: `Basic`, `MD5`, `SHA-256-sess` … */
  readonly offers: readonly string[];
  readonly realm?: string;
  readonly qop?: 'auth' | 'auth-int' | 'auth,auth-int';
  readonly userhash?: boolean;
  /** All challenges in one header field. */
  readonly oneField?: boolean;
  /** Number of requests with one nonce; then it is stale. */
  readonly nonceUses?: number;
}

const hashes: Readonly<Record<string, string>> = {
  MD5: 'md5',
  'SHA-256': 'sha256',
  'SHA-512-256': 'sha512-256',
};

export class DigestCheck {
  readonly #login: CameraLogin;
  readonly #realm: string;
  #nonce = randomBytes(12).toString('base64');
  #uses = 0;
  #isStale = false;
  wrong = 0;

  constructor(login: CameraLogin) {
    this.#login = login;
    this.#realm = login.realm ?? 'a "quoted" camera, and its comma';
  }

  get challenges(): string[] {
    const realm = `realm="${this.#realm.replace(/"/g, '\\"')}"`;
    const { qop, userhash, oneField } = this.#login;
    const lines = this.#login.offers.map((offer) => {
      if (offer === 'Basic') return `Basic ${realm}`;
      if (!hashes[offer.replace(/-sess$/, '')]) return `Digest ${realm}, nonce="x", algorithm=${offer}`;
      return [
        `Digest ${realm}`,
        `nonce="${this.#nonce}"`,
        'opaque="0p=q"',
        `algorithm=${offer}`,
        ...(qop ? [`qop="${qop}"`] : []),
        ...(userhash ? ['userhash=true', 'charset=UTF-8'] : []),
        `stale=${this.#isStale ? 'TRUE' : 'false'}`,
      ].join(', ');
    });
    return oneField ? [lines.join(', ')] : lines;
  }

  allows(authorization: string | undefined, method: string): boolean {
    this.#isStale = false;
    if (!authorization) {
      this.#renew();
      return false;
    }
    const isRight = /^Basic /.test(authorization)
      ? this.#basic(authorization)
      : this.#digest(authorization, method);
    if (!isRight) {
      this.wrong++;
      return false;
    }
    if (++this.#uses <= (this.#login.nonceUses ?? Number.POSITIVE_INFINITY)) return true;
    this.#renew();
    this.#isStale = true;
    return false;
  }

  #renew(): void {
    this.#uses = 0;
    this.#nonce = randomBytes(12).toString('base64');
  }

  #basic(authorization: string): boolean {
    const { user, password, offers } = this.#login;
    const given = Buffer.from(authorization.slice(6), 'base64').toString('utf8');
    return offers.includes('Basic') && given === `${user}:${password}`;
  }

  #digest(authorization: string, method: string): boolean {
    const { user, password, offers } = this.#login;
    const given = new Map<string, string>();
    for (const [, key, quoted, bare] of authorization.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
      given.set(key!, quoted?.replace(/\\(.)/g, '$1') ?? bare!);
    }
    const algorithm = given.get('algorithm') ?? 'MD5';
    const hash = hashes[algorithm.replace(/-sess$/, '')];
    if (!hash || !offers.includes(algorithm) || given.get('opaque') !== '0p=q') return false;
    if (given.get('nonce') !== this.#nonce) return false;
    const H = (text: string) => createHash(hash).update(text, 'utf8').digest('hex');
    const [nonce, nc, cnonce, qop] = ['nonce', 'nc', 'cnonce', 'qop'].map((key) => given.get(key) ?? '');
    if (
      this.#login.qop &&
      (Number.parseInt(nc!, 16) !== this.#uses + 1 || !this.#login.qop.split(',').includes(qop!))
    ) {
      return false;
    }
    const name = this.#login.userhash ? H(`${user}:${this.#realm}`) : user;
    if (
      given.get('username') !== (this.#login.userhash ? name : Buffer.from(user, 'utf8').toString('latin1'))
    )
      return false;
    const secret = H(`${user}:${this.#realm}:${password}`);
    const A1 = algorithm.endsWith('-sess') ? H(`${secret}:${nonce}:${cnonce}`) : secret;
    const A2 = H(`${method}:${given.get('uri')}${qop === 'auth-int' ? `:${H('')}` : ''}`);
    const middle = this.#login.qop ? `${nonce}:${nc}:${cnonce}:${qop}` : nonce;
    return given.get('response') === H(`${A1}:${middle}:${A2}`);
  }
}
