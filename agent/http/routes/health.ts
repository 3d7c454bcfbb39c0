import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import type { App, HttpDeps } from '../deps.ts';

const liveness = z.object({
  alive: z.boolean(),
  reason: z.string().describe('what hangs; empty while alive'),
  uptimeSeconds: z.number(),
});
const readiness = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ready: z.boolean(), reason: z.string() })),
});

/** For Prometheus, systemd, Docker and Kubernetes. */
export function addHealth(app: App, deps: HttpDeps): void {
  app.get(
    '/healthz',
    {
      config: { role: 'open' },
      schema: {
        tags: ['health'],
        summary: 'The process is alive, its loop turns and its work goes on: 503 is worth a restart',
        response: { 200: liveness, 503: liveness },
      },
    },
    async (_request, reply) => {
      // Timers and sockets get their turn before this one comes back.
      await nextTurn();
      const reason = deps.hang?.() ?? '';
      const alive = reason === '';
      const uptimeSeconds = Math.round(performance.now() / 1000);
      return reply.code(alive ? 200 : 503).send({ alive, reason, uptimeSeconds });
    },
  );

  app.get(
    '/readyz',
    {
      config: { role: 'open' },
      schema: {
        tags: ['health'],
        summary: 'Cameras, broker and model are there, or which is not and why',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const checks = deps.readiness().map(({ name, ready, reason }) => ({ name, ready, reason }));
      const ready = checks.every((check) => check.ready);
      return reply.code(ready ? 200 : 503).send({ ready, checks });
    },
  );

  app.get(
    '/metrics',
    {
      config: { role: 'viewer' },
      schema: { tags: ['health'], summary: 'Prometheus metrics', produces: ['text/plain'] },
    },
    async (_request, reply) => reply.type(deps.metrics.contentType).send(await deps.metrics.text()),
  );
}
