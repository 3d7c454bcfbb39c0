/** The file of access tokens: one hashed token with its holder and role per line. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { QcError } from '../../config/errors.ts';
import { textOf } from '../../config/secrets.ts';
import { isRole, type Role } from './roles.ts';

export interface Holder {
  readonly name: string;
  readonly role: Role;
}

/** A holder as listed in the file. */
export interface Known extends Holder {
  /** sha256 of the token, hex: identifies the token. */
  readonly hash: string;
}

export interface Tokens {
  /** Holder of this token; compares every stored token in constant time. */
  holderOf(token: string): Known | undefined;
  /** Current holder of the token with this hash; undefined if it was removed from the file. */
  holderOfHash(hash: string): Known | undefined;
  /** Number of tokens. */
  readonly count: number;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$/;

/** The format of `createToken`; others are refused, so that no hash belongs to a password that someone chose. */
const tokenPattern = /^qc_[A-Za-z0-9_-]{43}$/;
/** Limit of the file: each request is compared with every token. */
const maxTokens = 1_000;

/**
 * Creates a token of 256 random bits. The token is shown once and not stored; the line belongs into the file.
 * A plain hash is enough because 256 bits cannot be guessed; a slow hash (scrypt) would have to be computed for every
 * request, and would let strangers load the machine.
 */
export function createToken(name: string, role: Role): { readonly token: string; readonly line: string } {
  if (!namePattern.test(name)) {
    throw new QcError(
      'http-tokens-invalid',
      `"${name}" is not a valid name: use letters, digits, - _ . @, at most 63 characters`,
    );
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
function parseTokens(text: string, file: string): Tokens {
  const known: (Known & { readonly bytes: Buffer })[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [name = '', role = '', hash = '', ...rest] = line.trim().split(/\s+/);
    const isValid =
      namePattern.test(name) && isRole(role) && /^[0-9a-f]{64}$/i.test(hash) && rest.length === 0;
    // The line is not shown: someone may have written a token there.
    if (!isValid) throw new QcError('http-tokens-invalid', `${file}: line ${index + 1} is not a token line`);
    known.push({ name, role, hash: hash.toLowerCase(), bytes: Buffer.from(hash, 'hex') });
  }
  if (known.length === 0) throw new QcError('http-tokens-missing', `${file} contains no token`);
  if (known.length > maxTokens) {
    throw new QcError('http-tokens-invalid', `${file} contains more than ${maxTokens} tokens`);
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
