/** Who may do what over HTTP: a file of hashed tokens, one a line. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { QcError } from '../../config/errors.ts';

/** Each may do what those before it may. */
export const roles = ['viewer', 'operator', 'engineer'] as const;
export type Role = (typeof roles)[number];

export interface Holder {
  readonly name: string;
  readonly role: Role;
}

export interface Tokens {
  /** Whose token this is; every stored token is compared, in constant time. */
  holderOf(token: string): Holder | undefined;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$/;

/**
 * Makes a token of 256 random bits. The token is shown once and stored nowhere; the line goes into the file.
 * A plain hash is enough because nobody can guess 256 bits.
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
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new QcError('http-tokens-missing', `http.tokensFile: ${file} cannot be read`, { cause });
  });
  return parseTokens(text, file);
}

/** Lines of `name role sha256`; empty lines and lines that start with # are skipped. */
export function parseTokens(text: string, file: string): Tokens {
  const known: (Holder & { readonly hash: Buffer })[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [name = '', role = '', hash = '', ...rest] = line.trim().split(/\s+/);
    const isValid =
      namePattern.test(name) && isRole(role) && /^[0-9a-f]{64}$/i.test(hash) && rest.length === 0;
    // The line is not shown: somebody may have put a token there.
    if (!isValid) throw new QcError('http-tokens-invalid', `${file}: line ${index + 1} is not a token line`);
    known.push({ name, role, hash: Buffer.from(hash, 'hex') });
  }
  if (known.length === 0) throw new QcError('http-tokens-missing', `${file} holds no token`);
  return {
    holderOf(token) {
      const hash = sha256(token);
      let found: Holder | undefined;
      for (const one of known) if (timingSafeEqual(one.hash, hash)) found = one;
      return found && { name: found.name, role: found.role };
    },
  };
}

export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

/** Whether a holder of `has` may do what asks for `needs`. */
export function mayAct(has: Role, needs: Role): boolean {
  return roles.indexOf(has) >= roles.indexOf(needs);
}

const sha256 = (text: string) => createHash('sha256').update(text).digest();
