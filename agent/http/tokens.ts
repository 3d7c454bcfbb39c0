/** Who may do what over HTTP: a file of hashed tokens, one a line. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { QcError } from '../../config/errors.ts';
import { textOf } from '../../config/secrets.ts';
import { isRole, type Role } from './roles.ts';

export interface Holder {
  readonly name: string;
  readonly role: Role;
}

/** A holder as the file knows them. */
export interface Known extends Holder {
  /** sha256 of the token, hex: tells one token from another. */
  readonly hash: string;
}

export interface Tokens {
  /** Whose token this is; every stored token is compared, in constant time. */
  holderOf(token: string): Known | undefined;
  /** Who holds the token of this hash now; undefined once it was taken out of the file. */
  holderOfHash(hash: string): Known | undefined;
  /** How many there are. */
  readonly count: number;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$/;

/** What `createToken` makes; nothing else is let in, so that no hash in the file stands for a word somebody chose. */
const tokenPattern = /^qc_[A-Za-z0-9_-]{43}$/;
/** More are not read: each request is compared with every one. */
const mostTokens = 1_000;

/**
 * Makes a token of 256 random bits. The token is shown once and stored nowhere; the line goes into the file.
 * A plain hash is enough because nobody can guess 256 bits; a slow one (scrypt) would have to be computed for every
 * request, and would only let strangers keep the machine busy.
 */
export function createToken(name: string, role: Role): { readonly token: string; readonly line: string } {
  if (!namePattern.test(name)) {
    throw new QcError('http-tokens-invalid', `"${name}" is no name: letters, digits, - _ . @, at most 63`);
  }
  const token = `qc_${randomBytes(32).toString('base64url')}`;
  return { token, line: `${name} ${role} ${sha256(token).toString('hex')}` };
}

/** @throws QcError http-tokens-missing, http-tokens-invalid naming file and line */
export async function readTokens(file: string): Promise<Tokens> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new QcError('http-tokens-missing', `http.tokensFile: ${file} cannot be read`, { cause });
  });
  return parseTokens(textOf(bytes), file);
}

/** Lines of `name role sha256`, at most 1,000; empty lines and lines that start with # are skipped. */
export function parseTokens(text: string, file: string): Tokens {
  const known: (Known & { readonly bytes: Buffer })[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [name = '', role = '', hash = '', ...rest] = line.trim().split(/\s+/);
    const isValid =
      namePattern.test(name) && isRole(role) && /^[0-9a-f]{64}$/i.test(hash) && rest.length === 0;
    // The line is not shown: somebody may have put a token there.
    if (!isValid) throw new QcError('http-tokens-invalid', `${file}: line ${index + 1} is not a token line`);
    known.push({ name, role, hash: hash.toLowerCase(), bytes: Buffer.from(hash, 'hex') });
  }
  if (known.length === 0) throw new QcError('http-tokens-missing', `${file} holds no token`);
  if (known.length > mostTokens) {
    throw new QcError('http-tokens-invalid', `${file} holds more than ${mostTokens} tokens`);
  }
  const show = (found: Known | undefined) =>
    found && { name: found.name, role: found.role, hash: found.hash };
  return {
    holderOf(token) {
      if (!tokenPattern.test(token)) return undefined;
      const hash = sha256(token);
      let found: Known | undefined;
      for (const one of known) if (timingSafeEqual(one.bytes, hash)) found = one;
      return show(found);
    },
    holderOfHash: (hash) => show(known.findLast((one) => one.hash === hash)),
    count: known.length,
  };
}

const sha256 = (text: string) => createHash('sha256').update(text).digest();
