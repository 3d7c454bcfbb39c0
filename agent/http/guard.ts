/** Who gets in: tokens by role, or, on loopback without tokens, only this machine's own pages and programs. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { QcError } from '../../config/errors.ts';
import { isLoopback } from '../../config/resolve.ts';
import { type Holder, mayAct, type Role, type Tokens } from './tokens.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Least role; `open` needs none. A route that says nothing needs the highest. */
    role?: Role | 'open';
  }
  interface FastifyRequest {
    /** Whose token came with the request; none without tokens. */
    holder?: Holder;
  }
}

/** The page loads nothing from elsewhere and runs nothing inline. */
const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** A hook for every request, before its body is read. */
export function createGuard(tokens: Tokens | undefined) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.headers(securityHeaders);
    refuseForeignOrigin(request);
    const needs = request.is404 ? 'viewer' : (request.routeOptions.config.role ?? 'engineer');
    if (!tokens) {
      refuseForeignHost(request);
      return;
    }
    if (needs === 'open') return;
    const token = tokenOf(request.headers.authorization);
    const holder = token === undefined ? undefined : tokens.holderOf(token);
    if (!holder) {
      // Basic, so that a browser asks; the user name is not looked at.
      reply.header('www-authenticate', 'Basic realm="qc-agent: token as password", charset="UTF-8"');
      throw new QcError('http-unauthorized', token === undefined ? 'no token given' : 'unknown token');
    }
    if (!mayAct(holder.role, needs)) {
      throw new QcError('http-forbidden', `${holder.name} is ${holder.role}; this needs ${needs}`);
    }
    request.holder = holder;
  };
}

/**
 * DNS rebinding: a foreign page whose name was made to point at 127.0.0.1 still sends its own name as Host.
 * With tokens it gains nothing, since a browser gives passwords to the name they were entered for.
 */
function refuseForeignHost(request: FastifyRequest): void {
  if (isLoopback(hostnameOf(`http://${request.headers.host ?? ''}`))) return;
  throw new QcError('http-origin-refused', 'without tokens only localhost is served');
}

/** Cross-site request forgery: a foreign page may send requests, but not hide where it comes from. */
function refuseForeignOrigin(request: FastifyRequest): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const isForeign =
    site === 'cross-site' ||
    (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host));
  if (isForeign) throw new QcError('http-origin-refused', 'a page from elsewhere may not do this');
}

/** Bearer (RFC 6750 §2.1), or the password of Basic (RFC 7617 §2). */
function tokenOf(authorization: string | undefined): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(authorization ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}
