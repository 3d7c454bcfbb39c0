/** Who gets in: tokens and sessions by role, or, on loopback without tokens, this machine's own pages and programs. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { QcError } from '../../config/errors.ts';
import type { Limits } from './limits.ts';
import { isChange, refuseForeignHost, refuseForeignOrigin } from './origin.ts';
import { mayAct, type Role } from './roles.ts';
import type { Sessions } from './sessions.ts';
import type { Holder, Known, Tokens } from './tokens.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Least role; `open` needs none. A route that says nothing needs the highest. */
    role?: Role | 'open';
    /** A page that a person opens: who is not logged in is sent to the log-in page. */
    page?: boolean;
  }
  interface FastifyRequest {
    /** Whose token came with the request, or whose session it is; none without tokens. */
    holder?: Holder;
    /** A token came that nobody has. */
    hasUnknownToken?: boolean;
    /** Whether an answer that goes on and on may still go on. */
    stillAllowed?: () => boolean;
  }
}

export interface GuardDeps {
  /** Undefined: loopback only, everybody may do everything. */
  readonly tokens: Tokens | undefined;
  readonly sessions: Sessions;
  readonly limits: Limits;
  /** Name of the session cookie. */
  readonly cookie: string;
}

/** Where a person who is not logged in is sent; relative, so that it also fits behind a proxy. */
const loginPage = 'login.html';

/** Asks again who it is, whenever it is called. */
type WhoAgain = () => Known | undefined;

/** A hook for every request, before its body is read. */
export function createGuard({ tokens, sessions, limits, cookie }: GuardDeps) {
  function identify(request: FastifyRequest, known: Tokens): WhoAgain {
    const token = tokenOf(request.headers.authorization);
    if (token !== undefined) {
      const holder = known.holderOf(token);
      request.hasUnknownToken = !holder;
      return () => holder && known.holderOfHash(holder.hash);
    }
    const id = request.cookies[cookie];
    if (id === undefined) return () => undefined;
    sessions.holderOf(id, isChange(request) || request.routeOptions.config.page === true);
    return () => sessions.holderOf(id, false);
  }

  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    reply.header('cache-control', 'no-store');
    const { role = 'engineer', page = false } = request.routeOptions.config;
    const needs = request.is404 ? 'viewer' : role;
    const isProgram = request.headers.authorization !== undefined;
    refuseForeignOrigin(request, !isProgram && request.cookies[cookie] !== undefined);
    if (!tokens) refuseForeignHost(request);
    // Whoever watches over this machine is never told to come back later.
    if (needs === 'open' && !isChange(request)) return;
    if (!tokens) return limits.request(request, reply);

    const who = identify(request, tokens);
    const known = who();
    if (known) request.holder = { name: known.name, role: known.role };
    if (request.hasUnknownToken) await limits.failedLogin(request, reply);
    await limits.request(request, reply);
    if (needs === 'open') return;
    if (!known) {
      if (page && !isProgram) return reply.redirect(toLogin(request), 303);
      // Never Basic: the browser would ask by itself, and send the answer along with what foreign pages ask for.
      reply.header('www-authenticate', 'Bearer realm="qc-agent"');
      throw new QcError('http-unauthorized', isProgram ? 'unknown token' : 'nobody is logged in');
    }
    if (!mayAct(known.role, needs)) {
      throw new QcError('http-forbidden', `${known.name} is ${known.role}; this needs ${needs}`);
    }
    request.stillAllowed = () => mayAct(who()?.role ?? 'none', needs);
  };
}

const toLogin = ({ url }: FastifyRequest) => `${loginPage}?to=${encodeURIComponent(url.slice(1, 101))}`;

/** Bearer (RFC 6750 §2.1), or the password of Basic (RFC 7617 §2); empty where it is neither. */
function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return '';
  const pair = Buffer.from(value, 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}
