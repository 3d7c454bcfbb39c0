/** Authenticates at a camera: Basic (RFC 7617) and Digest (RFC 7616), with challenges in any order. */
import { createHash, randomBytes } from 'node:crypto';
import { type Challenge, readParameters } from './challenge.ts';

export interface Account {
  readonly user: string;
  readonly password: string;
}

/** Algorithms by strength, with their names in OpenSSL. */
const hashes: Readonly<Record<string, string>> = {
  'sha-512-256': 'sha512-256',
  'sha-256': 'sha256',
  md5: 'md5',
};

/** A supported challenge. */
interface Chosen {
  readonly scheme: 'basic' | 'digest';
  readonly hash: string;
  readonly isSession: boolean;
  readonly qop: 'auth' | 'auth-int' | undefined;
  readonly given: ReadonlyMap<string, string>;
}

/**
 * The log-in on one connection. Header fields are handled as Latin-1, in which every byte is a character, so that names in
 * any encoding are returned unchanged.
 */
export class Login {
  readonly #user: string;
  readonly #password: string;
  #chosen: Chosen | undefined;
  #nonce = '';
  #count = 0;
  /** One for each nonce, because the session variants use it in the key. */
  #cnonce = '';

  readonly #makeCnonce: () => string;

  constructor({ user, password }: Account, makeCnonce = () => randomBytes(8).toString('hex')) {
    this.#user = bytes(user);
    this.#password = bytes(password);
    this.#makeCnonce = makeCnonce;
  }

  /** Selects the strongest supported challenge; false if there is none. */
  choose(challenges: readonly Challenge[]): boolean {
    const chosen = challenges.flatMap((challenge) => answerable(challenge) ?? []);
    this.#chosen = chosen.reduce<Chosen | undefined>(
      (best, next) => (best === undefined || strength(next) > strength(best) ? next : best),
      undefined,
    );
    if (this.#chosen) this.#useNonce(this.#chosen.given.get('nonce') ?? '');
    return this.#chosen !== undefined;
  }

  /** The value of Authorization for a request without a body; undefined before a challenge. */
  authorization(method: string, uri: string): string | undefined {
    const chosen = this.#chosen;
    if (!chosen) return undefined;
    if (chosen.scheme === 'basic') {
      return `Basic ${Buffer.from(`${this.#user}:${this.#password}`, 'latin1').toString('base64')}`;
    }
    return this.#digest(chosen, method, uri);
  }

  /** Handles the value of Authentication-Info, which can contain the next nonce. */
  informed(value: string): void {
    const nonce = readParameters(value).get('nextnonce');
    if (nonce) this.#useNonce(nonce);
  }

  #useNonce(nonce: string): void {
    this.#nonce = nonce;
    this.#count = 0;
    this.#cnonce = this.#makeCnonce();
  }

  #digest({ hash, isSession, qop, given }: Chosen, method: string, uri: string): string {
    const digest = (text: string) => createHash(hash).update(text, 'latin1').digest('hex');
    const nonce = this.#nonce;
    const cnonce = this.#cnonce;
    const count = (++this.#count).toString(16).padStart(8, '0');
    const realm = given.get('realm') ?? '';
    const secret = digest(`${this.#user}:${realm}:${this.#password}`);
    const key = isSession ? digest(`${secret}:${nonce}:${cnonce}`) : secret;
    const request = digest(`${method}:${uri}${qop === 'auth-int' ? `:${digest('')}` : ''}`);
    const middle = qop === undefined ? nonce : `${nonce}:${count}:${cnonce}:${qop}`;
    const isHidden = given.get('userhash')?.toLowerCase() === 'true';
    const user = isHidden ? digest(`${this.#user}:${realm}`) : this.#user;
    const isPlain =
      isHidden || given.get('charset')?.toLowerCase() !== 'utf-8' || /^[\x20-\x7e]*$/.test(user);
    return [
      isPlain ? `Digest username=${quoted(user)}` : `Digest username*=UTF-8''${extended(user)}`,
      `realm=${quoted(realm)}`,
      `nonce=${quoted(nonce)}`,
      `uri=${quoted(uri)}`,
      `response="${digest(`${key}:${middle}:${request}`)}"`,
      ...(given.has('algorithm') ? [`algorithm=${given.get('algorithm')}`] : []),
      ...(given.has('opaque') ? [`opaque=${quoted(given.get('opaque')!)}`] : []),
      ...(qop === undefined ? [] : [`qop=${qop}`, `nc=${count}`]),
      ...(qop === undefined && !isSession ? [] : [`cnonce="${cnonce}"`]),
      ...(isHidden ? ['userhash=true'] : []),
    ].join(', ');
  }
}

/** Display name of what a camera offers: `Digest SHA-256`, `NTLM`. */
export function schemeOf({ scheme, parameters }: Challenge): string {
  const name =
    scheme === 'digest' || scheme === 'basic' ? scheme[0]!.toUpperCase() + scheme.slice(1) : scheme;
  const details = [parameters.get('algorithm'), parameters.get('qop') && `qop ${parameters.get('qop')}`];
  return [name, ...details.filter(Boolean)].join(' ');
}

function answerable({ scheme, parameters: given }: Challenge): Chosen | undefined {
  if (scheme === 'basic') return { scheme, hash: '', isSession: false, qop: undefined, given };
  if (scheme !== 'digest') return undefined;
  const algorithm = (given.get('algorithm') || 'md5').toLowerCase();
  const isSession = algorithm.endsWith('-sess');
  const hash = hashes[algorithm.replace(/-sess$/, '')];
  const offered =
    given
      .get('qop')
      ?.toLowerCase()
      .split(/[\s,]+/)
      .filter(Boolean) ?? [];
  const qop = (['auth', 'auth-int'] as const).find((one) => offered.includes(one));
  if (hash === undefined || (qop === undefined && offered.length > 0)) return undefined;
  return { scheme, hash, isSession, qop, given };
}

const order = ['', 'md5', 'sha256', 'sha512-256'];
const strength = ({ hash }: Chosen) => order.indexOf(hash);

const bytes = (text: string) => Buffer.from(text.normalize('NFC'), 'utf8').toString('latin1');
const quoted = (text: string) => `"${text.replace(/[\\"]/g, '\\$&')}"`;
/** RFC 8187 encoding of a text whose characters are bytes. */
const extended = (text: string) =>
  text.replace(/[^A-Za-z0-9]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
