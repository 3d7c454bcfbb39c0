import type { App } from '../../../calibration/routes/route.ts';
import { challengeView, commandMessages, replyMessage } from '../../publish/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

/** The challenge test. */
export function addChallenge(app: App, deps: HttpDeps): void {
  app.get(
    '/api/v1/challenge',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['challenge'],
        summary: 'State of the challenge test, and the part that must come next',
        response: { 200: challengeView },
      },
    },
    () => deps.challenge() ?? { state: 'none' as const, reason: '' },
  );

  app.post(
    '/api/v1/challenge',
    {
      bodyLimit: 16_384,
      config: { role: 'operator', audit: 'challenge' },
      schema: {
        tags: ['challenge'],
        summary: 'Start or cancel a challenge test, or report that the expected part is in place',
        body: commandMessages.challenge,
        response: { 200: replyMessage, 400: errorBody, 404: errorBody, 409: errorBody, 503: errorBody },
      },
    },
    async (request) => {
      await deps.commands.challenge(request.body);
      return { schema: 1 as const, ok: true };
    },
  );
}
