import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Begins a response that does not end by itself, with the security headers of every response. */
export function endless(request: FastifyRequest, reply: FastifyReply, contentType: string): ServerResponse {
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': contentType,
    // Proxies must not buffer it.
    'x-accel-buffering': 'no',
  });
  request.raw.socket.setNoDelay(true);
  response.on('error', () => undefined);
  return response;
}
