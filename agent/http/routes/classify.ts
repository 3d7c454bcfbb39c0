import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { QcError } from '../../../config/errors.ts';
import { decodePicture } from '../../../models/prepare/decode.ts';
import { evaluationValue, resultMessage, verdictValue, where } from '../../publish/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

const contentTypes = ['image/png', 'image/jpeg', 'image/webp', 'image/bmp', 'application/octet-stream'];

/** Maximum number of concurrent uploads: parts of the line have priority, and decoded images are large. */
const maxRunning = 2;

const evaluation = { pass: 1, fail: 2, uncertain: 0 } as const;

const classified = z.object({
  schema: z.literal(1),
  verdict: verdictValue,
  evaluation: evaluationValue,
  label: z.string().nullable(),
  probability: z.number().nullable(),
  probabilities: z.record(z.string(), z.number()),
  reasons: z.array(z.string()),
  where,
  model: resultMessage.shape.model,
  timingsMs: z.object({ decode: z.number(), queue: z.number(), inference: z.number() }),
});

export function addClassify(app: App, deps: HttpDeps): void {
  let running = 0;
  app.addContentTypeParser(contentTypes, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post(
    '/api/v1/classify',
    {
      config: { role: 'operator', audit: false },
      schema: {
        tags: ['results'],
        summary: 'Judge one image with the live model; nothing is published or counted',
        consumes: contentTypes,
        body: z
          .custom<Buffer>((body) => Buffer.isBuffer(body), 'send the image itself as the body')
          .meta({ type: 'string', format: 'binary' }),
        response: {
          200: classified,
          400: errorBody,
          413: errorBody,
          415: errorBody,
          503: errorBody,
        },
      },
    },
    async (request) => {
      if (running >= maxRunning)
        throw new QcError('http-busy', `${running} images are being judged, which is the maximum`);
      running++;
      try {
        const startedAt = performance.now();
        const image = await decodePicture(request.body);
        const decode = Math.round(performance.now() - startedAt);
        const { decision, places, model, queueMs, inferenceMs } = await deps.classify(image);
        const { verdict, label, probability, probabilities, reasons } = decision;
        return {
          schema: 1 as const,
          verdict,
          evaluation: evaluation[verdict],
          label,
          probability,
          probabilities: { ...probabilities },
          reasons: [...reasons],
          where: [...places],
          model,
          timingsMs: { decode, queue: queueMs, inference: inferenceMs },
        };
      } finally {
        running--;
      }
    },
  );
}
