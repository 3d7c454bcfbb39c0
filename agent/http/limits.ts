/** Rate limits per token or per address, counted in a cache of bounded size. */
import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from '../../calibration/routes/route.ts';
import { QcError } from '../../config/errors.ts';
import { RateLimitStore } from './rate-limit-store.ts';

export interface Limits {
  /** @throws QcError http-rate-limited */
  request(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /**
   * Counts an unknown token. A valid token is never refused because of it: tokens cannot be guessed, and another client
   * behind the same address must not lock anybody out.
   * @throws QcError http-rate-limited if there are too many from this address
   */
  failedLogin(request: FastifyRequest, reply: FastifyReply): Promise<void>;
}

const failuresPerMinute = 10;
/** One client usually has a whole IPv6 network (RFC 6177), so its addresses are counted together. */
const ipv6Subnet = 64;

export async function addLimits(app: App, requestsPerMinute: number): Promise<Limits> {
  await app.register(rateLimit, {
    global: false,
    ipv6Subnet,
    timeWindow: 60_000,
    store: RateLimitStore,
  });
  const failures = app.createRateLimit({ max: failuresPerMinute });
  const byAddress = app.createRateLimit({ max: requestsPerMinute });
  const byToken = app.createRateLimit({
    max: requestsPerMinute,
    keyGenerator: ({ holder }) => holder?.name ?? '',
  });
  const count = async (
    limit: typeof failures,
    request: FastifyRequest,
    reply: FastifyReply,
    what: string,
  ): Promise<void> => {
    const counted = await limit(request);
    if (counted.isAllowed || !counted.isExceeded) return;
    reply.header('retry-after', counted.ttlInSeconds);
    throw new QcError('http-rate-limited', `${what}; try again in ${counted.ttlInSeconds} s`);
  };
  const tooMany = `more than ${requestsPerMinute} requests per minute`;
  return {
    request: (request, reply) => count(request.holder ? byToken : byAddress, request, reply, tooMany),
    failedLogin: (request, reply) =>
      count(failures, request, reply, 'too many unknown tokens from this address'),
  };
}
