import { commandMessages, replyMessage } from '../../publish/messages.ts';
import type { App, HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

const maxCommandBytes = 16_384;

/** The commands that MQTT has too, for those who have no broker at hand. */
export function addCommands(app: App, deps: HttpDeps): void {
  app.post(
    '/api/v1/trigger',
    {
      bodyLimit: maxCommandBytes,
      config: { role: 'operator' },
      schema: {
        tags: ['commands'],
        summary: 'Judge the part that is in front of a camera now',
        body: commandMessages.trigger,
        response: { 200: replyMessage, 400: errorBody, 503: errorBody },
      },
    },
    async (request) => {
      const { jobId } = await deps.commands.trigger(request.body);
      return { schema: 1 as const, ok: true, ...(jobId !== undefined && { jobId }) };
    },
  );

  app.post(
    '/api/v1/mode',
    {
      bodyLimit: maxCommandBytes,
      config: { role: 'operator' },
      schema: {
        tags: ['commands'],
        summary: 'Switch between inspection and calibration',
        body: commandMessages.mode,
        response: { 200: replyMessage, 400: errorBody, 503: errorBody },
      },
    },
    async (request) => {
      await deps.commands.mode(request.body);
      return { schema: 1 as const, ok: true };
    },
  );
}
