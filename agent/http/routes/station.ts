import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { QcError } from '../../../config/errors.ts';
import { statusMessage } from '../../publish/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';
import { jpegBody } from '../jpeg-body.ts';
import { type CameraWithCounts, cameraWithCounts } from '../views.ts';

/** The cameras for the page and the API. */
export function camerasWithCounts(deps: HttpDeps): CameraWithCounts[] {
  return deps.cameras().map((camera) => ({ ...camera, counts: deps.recent.counts(camera.name) }));
}

export function addStation(app: App, deps: HttpDeps): void {
  app.get(
    '/api/v1/status',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['station'],
        summary: 'The state of the station, as published over MQTT',
        response: { 200: statusMessage },
      },
    },
    () => deps.status(),
  );

  app.get(
    '/api/v1/cameras',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['station'],
        summary: 'Each camera with its state, region and parts counted since the start',
        response: { 200: z.array(cameraWithCounts) },
      },
    },
    () => camerasWithCounts(deps),
  );

  app.get(
    '/api/v1/cameras/:name/preview.jpg',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['station'],
        summary: 'The whole camera image of the newest judged part, while somebody follows the events',
        params: z.object({ name: z.string().max(63) }),
        produces: ['image/jpeg'],
        response: {
          200: jpegBody,
          204: z.undefined().describe('there is none yet'),
          404: errorBody,
        },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      if (!deps.cameras().some((camera) => camera.name === name)) {
        throw new QcError('http-not-found', `there is no camera "${name.slice(0, 63)}"`);
      }
      const preview = await deps.recent.preview(name);
      if (!preview) return reply.code(204).send();
      const capturedAt = new Date(preview.frame.capturedAt).toISOString();
      return reply.type('image/jpeg').header('qc-captured-at', capturedAt).send(preview.jpeg);
    },
  );
}
