/** Shared by all routes: roles, request limits, and responses. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Calibration } from '../calibration.ts';
import type { Person } from './person.ts';

/** The schemas of a route are zod; the types of its handler follow from them. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface RouteDeps {
  readonly calibration: Calibration;
  readonly errorBody: z.ZodType<{ error: { code: string; message: string; remedy: string } }>;
  /** The person behind a request. */
  readonly whoIs: (request: FastifyRequest) => Person;
}

const bodyLimit = 262_144;

/** A route that changes nothing. */
export const read = { config: { role: 'viewer' as const } };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body may arrive for longer than that of other requests; the handler limits its pauses. */
    takesLong?: boolean;
  }
}

/** A route that changes something. @param audit the name of the action in the audit log */
export const change = (audit: string, role: 'operator' | 'engineer' = 'operator') => ({
  bodyLimit,
  config: { role, audit },
});

/** The body of a response without data. */
export const done = z.object({ ok: z.literal(true) });
export const ok = { ok: true as const };

export const png = z
  .custom<Buffer>((body) => Buffer.isBuffer(body))
  .meta({ type: 'string', format: 'binary' });

/** Images never change, since their ids are hashes or result ids. */
export const sendImage = (reply: FastifyReply, png: Buffer) =>
  reply.type('image/png').header('cache-control', 'private, max-age=86400, immutable').send(png);
