import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { QcError } from '../../../config/errors.ts';
import { commandMessages, handshakeMessage, replyMessage, resultMessage } from '../../publish/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

const maxCommandBytes = 16_384;
/** Maximum number of requests that wait for a result. */
const maxWaiting = 32;

const waiting = z.object({
  waitMs: z.coerce
    .number()
    .int()
    .min(0)
    .max(60_000)
    .default(0)
    .describe('ms to wait for the result; 504 if it does not arrive in time: treat the part as bad'),
});
const refusals = { 400: errorBody, 404: errorBody, 409: errorBody, 503: errorBody };

/** The commands of the MQTT interface, for clients without a broker. */
export function addCommands(app: App, deps: HttpDeps): void {
  let running = 0;
  /** @throws QcError no-result if it does not arrive in time */
  async function resultOf(jobId: string, waitMs: number) {
    if (running >= maxWaiting)
      throw new QcError('http-busy', `${running} requests are waiting for results, which is the maximum`);
    running++;
    try {
      const result = await deps.job(jobId, waitMs);
      if (result) return result;
      throw new QcError('no-result', `job ${jobId} has no result after ${waitMs} ms`, {
        remedy: `treat the part as bad, or ask again at /api/v1/jobs/${jobId}`,
      });
    } finally {
      running--;
    }
  }

  app.post(
    '/api/v1/trigger',
    {
      bodyLimit: maxCommandBytes,
      config: { role: 'operator', audit: false },
      schema: {
        tags: ['commands'],
        summary: 'Judge the part in front of a camera; with waitMs the answer contains its result',
        querystring: waiting,
        body: commandMessages.trigger,
        response: {
          200: replyMessage.extend({ result: resultMessage.optional() }),
          ...refusals,
          504: errorBody,
        },
      },
    },
    async (request) => {
      const { waitMs } = request.query;
      const { jobId, repeated } = await deps.commands.trigger(request.body);
      const reply = {
        schema: 1 as const,
        ok: true,
        ...(jobId !== undefined && { jobId }),
        ...(repeated && { repeated }),
      };
      return waitMs > 0 && jobId !== undefined ? { ...reply, result: await resultOf(jobId, waitMs) } : reply;
    },
  );

  app.get(
    '/api/v1/jobs/:jobId',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['commands'],
        summary: 'The result of a job of this session, while the agent remembers it',
        params: z.object({ jobId: z.string().max(64) }),
        querystring: waiting,
        response: { 200: resultMessage, 400: errorBody, 404: errorBody, 503: errorBody, 504: errorBody },
      },
    },
    (request) => resultOf(request.params.jobId, request.query.waitMs),
  );

  app.get(
    '/api/v1/handshakes',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['commands'],
        summary: 'The handshake of each camera with trigger: command, as published over MQTT',
        response: { 200: z.array(handshakeMessage) },
      },
    },
    () => [...deps.handshakes()],
  );

  const commands = {
    acknowledge: 'Acknowledge a result, so that another trigger is accepted',
    abort: 'Abort a job, or all jobs of a camera: each gets a result with state aborted',
    mode: 'Switch between inspection and calibration',
  } as const;
  for (const [name, summary] of Object.entries(commands) as [keyof typeof commands, string][]) {
    app.post(
      `/api/v1/${name}`,
      {
        bodyLimit: maxCommandBytes,
        // Commands for each part are not recorded: they would hide the changes.
        config: {
          role: 'operator',
          audit: name === 'acknowledge' ? false : name,
          // Allowed even if the disk fails: an aborted part never passes.
          ...(name === 'abort' && { alwaysAllowed: true as const }),
        },
        schema: {
          tags: ['commands'],
          summary,
          body: commandMessages[name],
          response: { 200: replyMessage, ...refusals },
        },
      },
      async (request) => {
        // The compiler cannot relate the key of the table to the output of its schema.
        const carryOut = deps.commands[name] as (message: unknown) => Promise<object>;
        await carryOut(request.body);
        return { schema: 1 as const, ok: true };
      },
    );
  }
}
