import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { QcError } from '../../../config/errors.ts';
import { AimChannel } from '../aim-channel.ts';
import type { HttpDeps } from '../deps.ts';
import { endless } from '../endless.ts';
import { errorBody } from '../errors.ts';

/** Maximum number of clients, for all cameras together. */
const maxClients = 8;

/** The live image for aiming a camera, with what its trigger sees. Nothing is encoded while nobody follows it. */
export function addAim(app: App, deps: HttpDeps): void {
  const channels = new Map<string, AimChannel>();
  const clients = () => [...channels.values()].reduce((sum, { size }) => sum + size, 0);

  app.get(
    '/api/v1/cameras/:name/aim',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['station'],
        summary:
          'Stream for aiming a camera: images of the whole frame, focus, exposure and the signal of its trigger',
        description:
          'An endless sequence of records: the lengths of JSON and image (4 bytes each, big-endian), JSON, JPEG (only with kind image). Never used for a verdict.',
        params: z.object({ name: z.string().max(63) }),
        produces: ['application/octet-stream'],
        response: { 404: errorBody, 503: errorBody },
      },
    },
    (request, reply) => {
      const { name } = request.params;
      const camera = deps.aim(name);
      if (!camera) throw new QcError('http-not-found', `there is no camera "${name.slice(0, 63)}"`);
      if (clients() >= maxClients) {
        throw new QcError('aim-busy', `${clients()} clients show live images, which is the maximum`);
      }
      const response = endless(request, reply, 'application/octet-stream');
      const channel = channels.get(name) ?? new AimChannel(camera);
      channels.set(name, channel);
      channel.add({ response, stillAllowed: request.stillAllowed ?? (() => true) }, () => {
        if (channel.size === 0) channels.delete(name);
      });
    },
  );

  app.addHook('preClose', () => {
    for (const channel of channels.values()) channel.disconnect();
  });
}
