import type { FastifyReply } from 'fastify';

/** Calls `work` once the answer was sent or its client is gone, also if the client is gone already. */
export function afterAnswer({ raw }: FastifyReply, work: () => void): void {
  if (raw.destroyed) setImmediate(work);
  else raw.once('close', work);
}
