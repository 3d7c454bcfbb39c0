/** Refuses requests that a page of another site makes a browser send, by the headers that browsers add. */
import type { FastifyRequest } from 'fastify';
import { QcError } from '../../config/errors.ts';
import { isLoopback } from '../../config/resolve.ts';

/** Safe methods (RFC 9110 §9.2.1): they change nothing. */
const safe = new Set(['GET', 'HEAD', 'OPTIONS']);
export const isChange = ({ method }: Pick<FastifyRequest, 'method'>): boolean => !safe.has(method);

/**
 * DNS rebinding: a page whose host name was changed to resolve to 127.0.0.1 still sends that name as Host.
 * With tokens it gains nothing, because a browser sends cookies and passwords only to the name they belong to.
 */
export function refuseForeignHost(request: FastifyRequest): void {
  if (isLoopback(hostnameOf(`http://${request.headers.host ?? ''}`))) return;
  throw new QcError('http-origin-refused', 'without tokens, only requests to localhost are served');
}

/**
 * Cross-site request forgery: a page cannot forge Sec-Fetch-Site (W3C Fetch Metadata §2.3) or Origin (RFC 6454 §7.3).
 * Browsers send the first to secure addresses and to this machine, the second with every POST and DELETE. Programs
 * send neither of them and no cookie: one of them is required only with a cookie. This needs no CSRF token, which every
 * page would have to send and one of them could forget.
 */
export function refuseForeignOrigin(request: FastifyRequest, hasCookie: boolean): void {
  if (isChange(request) && isForeign(request, hasCookie)) {
    throw new QcError('http-origin-refused', 'the request comes from a page of another site');
  }
}

function isForeign({ headers }: FastifyRequest, hasCookie: boolean): boolean {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin';
  if (origin !== undefined) return !URL.canParse(origin) || new URL(origin).host !== host;
  return hasCookie;
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}
