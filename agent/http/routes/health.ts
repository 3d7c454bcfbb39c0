import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { challengeState } from '../../publish/messages.ts';
import type { HttpDeps } from '../deps.ts';

const liveness = z.object({
  alive: z.boolean(),
  reason: z.string().describe('what hangs; empty while alive'),
  uptimeSeconds: z.number(),
});
const readiness = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ready: z.boolean(), reason: z.string() })),
  challenge: challengeState
    .optional()
    .describe('state of the challenge test: failed and overdue degrade the station, which remains ready'),
});

/** For Prometheus, systemd, Docker and Kubernetes. */
export function addHealth(app: App, deps: HttpDeps): void {
  app.get(
    '/healthz',
    {
      config: { role: 'open' },
      schema: {
        tags: ['health'],
        summary: 'The process is alive, its event loop runs and its work progresses; after 503, restart it',
        response: { 200: liveness, 503: liveness },
      },
    },
    async (_request, reply) => {
      // Waits until timers and sockets have been served once: proof that the event loop runs.
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
        summary: 'Whether cameras, broker and model are ready; if not, which and why',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const checks = deps.readiness().map(({ name, ready, reason }) => ({ name, ready, reason }));
      const ready = checks.every((check) => check.ready);
      const challenge = deps.challenge();
      return reply
        .code(ready ? 200 : 503)
        .send({ ready, checks, ...(challenge && { challenge: challenge.state }) });
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
