/** Login sessions of the pages: a random cookie represents a token for a limited time. They are kept in memory only. */
import { createHash, randomBytes } from 'node:crypto';
import type { Known, Tokens } from './tokens.ts';

export interface Sessions {
  /** The value of the cookie. */
  begin(holder: Known): string;
  /**
   * Holder of the session, with the current role of the token; undefined if the session ended or the token was revoked.
   * @param isUsed a person did something: restarts the idle time
   */
  holderOf(id: string, isUsed: boolean): Known | undefined;
  end(id: string): void;
  readonly size: number;
}

export interface SessionLimits {
  /** ms */
  readonly absoluteMs: number;
  /** Without activity, ms. Not for viewers: they can change nothing, and their screens are often unattended. */
  readonly idleMs: number;
}

/** Maximum number of sessions of one token; the one unused for longest is ended first. There are at most 1,000 tokens. */
const perToken = 16;

interface Login {
  /** Hash of its token. */
  readonly token: string;
  readonly begunAt: number;
  usedAt: number;
}

/** @param now ms on a monotonic clock */
export function createSessions(
  tokens: Pick<Tokens, 'holderOfHash'>,
  { absoluteMs, idleMs }: SessionLimits,
  now: () => number = () => performance.now(),
): Sessions {
  /** By the hash of the cookie: a leak of this memory reveals no valid cookie. */
  const sessions = new Map<string, Login>();

  const holderOf = ({ token, begunAt, usedAt }: Login): Known | undefined => {
    const holder = tokens.holderOfHash(token);
    if (!holder || now() - begunAt > absoluteMs) return undefined;
    return holder.role !== 'viewer' && now() - usedAt > idleMs ? undefined : holder;
  };

  return {
    begin({ hash }) {
      for (const [key, session] of sessions) if (!holderOf(session)) sessions.delete(key);
      const own = [...sessions].filter(([, { token }]) => token === hash);
      own.sort(([, a], [, b]) => a.usedAt - b.usedAt);
      for (const [key] of own.slice(0, Math.max(0, own.length - perToken + 1))) sessions.delete(key);
      const id = randomBytes(32).toString('base64url');
      sessions.set(keyOf(id), { token: hash, begunAt: now(), usedAt: now() });
      return id;
    },
    holderOf(id, isUsed) {
      const session = sessions.get(keyOf(id));
      const holder = session && holderOf(session);
      if (!holder) sessions.delete(keyOf(id));
      else if (isUsed) session.usedAt = now();
      return holder;
    },
    end: (id) => void sessions.delete(keyOf(id)),
    get size() {
      return sessions.size;
    },
  };
}

const keyOf = (id: string) => createHash('sha256').update(id).digest('base64');
