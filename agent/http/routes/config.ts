/** The settings over HTTP, for engineers. */
import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { factsOf } from '../../audit/entry.ts';
import {
  type SettingsAnswer,
  settingsAnswer,
  settingsRequest,
  settingsView,
} from '../../settings/messages.ts';
import type { Settings } from '../../settings/settings.ts';
import { afterAnswer } from '../after-answer.ts';
import { errorBody } from '../errors.ts';

const maxBytes = 65_536;
const tags = ['settings'];
const refusals = { 400: errorBody, 409: errorBody, 503: errorBody };

export function addConfig(app: App, settings: Settings): void {
  app.get(
    '/api/v1/config',
    {
      config: { role: 'engineer' },
      schema: {
        tags,
        summary: 'The configuration file, overridden by the environment, without secrets',
        response: { 200: settingsView },
      },
    },
    () => settings.view(),
  );

  app.post(
    '/api/v1/config/check',
    {
      bodyLimit: maxBytes,
      // It changes nothing.
      config: { role: 'engineer', audit: false },
      schema: {
        tags,
        summary: 'What a change of the configuration would do, and what would be wrong with it',
        body: settingsRequest,
        response: { 200: settingsAnswer, ...refusals },
      },
    },
    (request) => settings.check(request.body),
  );

  app.patch(
    '/api/v1/config',
    {
      bodyLimit: maxBytes,
      config: { role: 'engineer', audit: 'config', hasSecrets: true },
      schema: {
        tags,
        summary: 'Change the configuration file; applies at once what needs no restart',
        body: settingsRequest,
        response: { 200: settingsAnswer, ...refusals },
      },
    },
    async (request) => {
      const { changes, secrets } = request.body;
      // A refused request may contain secrets in the wrong place: only its keys are recorded.
      request.facts = {
        keys: [...changes, ...secrets]
          .map(({ path }) => path.join('.'))
          .join(', ')
          .slice(0, 500),
      };
      const answer = await settings.change(request.body);
      request.facts = changeFacts(
        answer,
        secrets.map(({ path }) => path.join('.')),
      );
      return answer;
    },
  );

  app.post(
    '/api/v1/restart',
    {
      config: { role: 'engineer', audit: 'restart' },
      schema: {
        tags,
        summary: 'Open the agent again with the configuration of the file; started parts are finished first',
        response: { 200: z.object({ ok: z.literal(true) }), ...refusals },
      },
    },
    (_request, reply) => {
      settings.requireValid();
      // The server closes: the answer must arrive first.
      afterAnswer(reply, settings.restart);
      return { ok: true as const };
    },
  );
}

/** Old and new values, each as short JSON. */
function changeFacts({ changes, copy }: SettingsAnswer, secrets: readonly string[]) {
  const text = (value: unknown) => (value === undefined ? 'absent' : JSON.stringify(value)).slice(0, 90);
  const values = changes.map(({ key, before, after }) => [key, `${text(before)} → ${text(after)}`]);
  return factsOf(Object.fromEntries(values), { copy, ...(secrets.length > 0 && { secrets }) });
}
