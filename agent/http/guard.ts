/** Access control: tokens and sessions by role or, on loopback without tokens, the pages and programs of this machine. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { QcError } from '../../config/errors.ts';
import type { Limits } from './limits.ts';
import { isChange, refuseForeignHost, refuseForeignOrigin } from './origin.ts';
import { mayAct, type Role } from './roles.ts';
import type { Sessions } from './sessions.ts';
import type { Holder, Known, Tokens } from './tokens.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Least role; `open` needs none. The default is the highest role. */
    role?: Role | 'open';
    /** A page: a request without a session is redirected to the login page. */
    page?: boolean;
  }
  interface FastifyRequest {
    /** Holder of the token or session of the request; undefined without tokens. */
    holder?: Holder;
    /** The request has a token that is not in the file. */
    hasUnknownToken?: boolean;
    /** Whether a streaming answer may continue. */
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

/** The login page; relative, so that it also works behind a proxy. */
const loginPage = 'login.html';

/** Looks up the holder again at each call. */
type HolderLookup = () => Known | undefined;

/** Creates a hook that runs for every request before its body is read. */
export function createGuard({ tokens, sessions, limits, cookie }: GuardDeps) {
  function identify(request: FastifyRequest, known: Tokens): HolderLookup {
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
    // Monitoring requests (health, metrics) are never rate-limited.
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
      // Never Basic: browsers would prompt for it, and then send it with requests of other sites too.
      reply.header('www-authenticate', 'Bearer realm="qc-agent"');
      throw new QcError('http-unauthorized', isProgram ? 'unknown token' : 'nobody is logged in');
    }
    if (!mayAct(known.role, needs)) {
      throw new QcError('http-forbidden', `${known.name} has the role ${known.role}; this needs ${needs}`);
    }
    request.stillAllowed = () => mayAct(who()?.role ?? 'none', needs);
  };
}

const toLogin = ({ url }: FastifyRequest) => `${loginPage}?to=${encodeURIComponent(url.slice(1, 101))}`;

/** Bearer (RFC 6750 §2.1) or the password of Basic (RFC 7617 §2); empty if it is neither. */
function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return '';
  const pair = Buffer.from(value, 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}
