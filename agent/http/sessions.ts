/** Who is logged in on the page: a random cookie stands for a token, in memory only, for a limited time. */
import { createHash, randomBytes } from 'node:crypto';
import type { Known, Tokens } from './tokens.ts';

export interface Sessions {
  /** What the cookie holds. */
  begin(holder: Known): string;
  /**
   * Whose session it is, in the role that the token has now; undefined once it is over or the token was revoked.
   * @param isUsed a person did something: the idle time begins anew
   */
  holderOf(id: string, isUsed: boolean): Known | undefined;
  end(id: string): void;
  readonly size: number;
}

export interface SessionLimits {
  /** ms */
  readonly absoluteMs: number;
  /** Without a sign of a person, ms. Not for viewers: their screens hang on walls, and can change nothing. */
  readonly idleMs: number;
}

/** Of one token; the one that was not used for the longest time makes room. There are at most 1,000 tokens. */
const perToken = 16;

interface Session {
  /** Hash of its token. */
  readonly token: string;
  readonly begunAt: number;
  usedAt: number;
}

/** @param now ms on a clock that nobody sets */
export function createSessions(
  tokens: Pick<Tokens, 'holderOfHash'>,
  { absoluteMs, idleMs }: SessionLimits,
  now: () => number = () => performance.now(),
): Sessions {
  /** By the hash of their cookie: what leaks from memory opens no session. */
  const sessions = new Map<string, Session>();

  const holderOf = ({ token, begunAt, usedAt }: Session): Known | undefined => {
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
