/** How much one token, or one address, may ask for; counted in a cache of bounded size. */
import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { QcError } from '../../config/errors.ts';
import type { App } from './deps.ts';
import { RateLimitStore } from './rate-limit-store.ts';

export interface Limits {
  /** @throws QcError http-rate-limited */
  request(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /**
   * A token that nobody has was tried. A right token is never refused for it: nobody can guess one, and a neighbour
   * behind the same address shall not lock anybody out.
   * @throws QcError http-rate-limited where that happens too often from this address
   */
  failedLogin(request: FastifyRequest, reply: FastifyReply): Promise<void>;
}

const failuresPerMinute = 10;
/** Whoever has one address of a network has as many as they want (RFC 6177). */
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
    throw new QcError('http-rate-limited', `${what}; again in ${counted.ttlInSeconds} s`);
  };
  const tooMany = `more than ${requestsPerMinute} requests a minute`;
  return {
    request: (request, reply) => count(request.holder ? byToken : byAddress, request, reply, tooMany),
    failedLogin: (request, reply) =>
      count(failures, request, reply, 'too many unknown tokens from this address'),
  };
}
