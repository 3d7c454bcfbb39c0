/** Requests that a foreign page makes a browser send: refused by what browsers say of where they come from. */
import type { FastifyRequest } from 'fastify';
import { QcError } from '../../config/errors.ts';
import { isLoopback } from '../../config/resolve.ts';

/** RFC 9110 §9.2.1: these change nothing. */
const safe = new Set(['GET', 'HEAD', 'OPTIONS']);
export const isChange = ({ method }: Pick<FastifyRequest, 'method'>): boolean => !safe.has(method);

/**
 * DNS rebinding: a foreign page whose name was made to point at 127.0.0.1 still sends its own name as Host.
 * With tokens it gains nothing, since a browser gives cookies and passwords to the name they were entered for.
 */
export function refuseForeignHost(request: FastifyRequest): void {
  if (isLoopback(hostnameOf(`http://${request.headers.host ?? ''}`))) return;
  throw new QcError('http-origin-refused', 'without tokens only localhost is served');
}

/**
 * Cross-site request forgery: a page cannot forge Sec-Fetch-Site (W3C Fetch Metadata §2.3) or Origin (RFC 6454 §7.3).
 * Browsers send the first to secure addresses and to this machine, the second with every POST and DELETE. Programs
 * send neither, and no cookie: only with a cookie one of them is needed. That takes no token which every page has to
 * send along, and which one could forget.
 */
export function refuseForeignOrigin(request: FastifyRequest, hasCookie: boolean): void {
  if (isChange(request) && isForeign(request, hasCookie)) {
    throw new QcError('http-origin-refused', 'a page from elsewhere may not do this');
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
