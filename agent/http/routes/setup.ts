/** The guide for the set-up: searching and checking cameras and the broker, for engineers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { QcError } from '../../../config/errors.ts';
import { redactUrl } from '../../../config/secrets.ts';
import { afterAnswer } from '../after-answer.ts';
import { errorBody } from '../errors.ts';
import { jpegBody } from '../jpeg-body.ts';
import {
  brokerAnswer,
  brokerRequest,
  cameraAnswer,
  cameraRequest,
  cameraStream,
  type SetupTools,
  searchAnswer,
  setupView,
  streamsRequest,
} from '../setup-tools.ts';

const tags = ['set-up'];
const refusals = { 400: errorBody, 409: errorBody, 503: errorBody };
/** Time of a check, ms. */
const limitMs = 60_000;

export function addSetup(app: App, tools: SetupTools): void {
  let isRunning = false;
  /** One check at a time: each opens connections, and there is one image. It ends when its client is gone. */
  async function limited<T>(reply: FastifyReply, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (isRunning) throw new QcError('http-busy', 'another check is running');
    isRunning = true;
    const gone = new AbortController();
    afterAnswer(reply, () => gone.abort());
    try {
      return await work(AbortSignal.any([AbortSignal.timeout(limitMs), gone.signal]));
    } finally {
      isRunning = false;
    }
  }
  const recorded = (request: FastifyRequest, address: string) => {
    request.facts = { address: redactUrl(address).slice(0, 200) };
  };
  const config = (audit: string) => ({ role: 'engineer', audit, hasSecrets: true }) as const;

  app.get(
    '/api/v1/setup',
    {
      config: { role: 'engineer' },
      schema: { tags, summary: 'Whether this is the first set-up', response: { 200: setupView } },
    },
    () => tools.view,
  );

  app.post(
    '/api/v1/setup/search',
    {
      config: config('search-cameras'),
      schema: {
        tags,
        summary:
          'Search for cameras: ONVIF devices in the network, folders with images, devices of this machine',
        response: { 200: searchAnswer, ...refusals },
      },
    },
    (_request, reply) => limited(reply, (signal) => tools.search(signal)),
  );

  app.post(
    '/api/v1/setup/streams',
    {
      config: config('read-streams'),
      schema: {
        tags,
        summary: 'The video streams of an ONVIF device',
        body: streamsRequest,
        response: { 200: z.array(cameraStream), ...refusals },
      },
    },
    (request, reply) => {
      recorded(request, request.body.address);
      return limited(reply, (signal) => tools.streams(request.body, signal));
    },
  );

  app.post(
    '/api/v1/setup/camera',
    {
      config: config('check-camera'),
      schema: {
        tags,
        summary: 'Read a camera as the agent would, for some seconds; takes one image',
        body: cameraRequest,
        response: { 200: cameraAnswer, ...refusals },
      },
    },
    (request, reply) => {
      recorded(request, request.body.url);
      return limited(reply, (signal) => tools.camera(request.body, signal));
    },
  );

  app.get(
    '/api/v1/setup/image.jpg',
    {
      config: { role: 'engineer' },
      schema: {
        tags,
        summary: 'The image of the last camera that was checked',
        produces: ['image/jpeg'],
        response: { 200: jpegBody, 204: z.undefined().describe('there is none') },
      },
    },
    async (_request, reply) => {
      const jpeg = tools.image();
      return jpeg ? reply.type('image/jpeg').send(Buffer.from(jpeg)) : reply.code(204).send();
    },
  );

  app.post(
    '/api/v1/setup/broker',
    {
      config: config('check-broker'),
      schema: {
        tags,
        summary: 'Connect to a broker, send a test message and receive it',
        body: brokerRequest,
        response: { 200: brokerAnswer, ...refusals },
      },
    },
    (request, reply) => {
      recorded(request, request.body.url);
      return limited(reply, (signal) => tools.broker(request.body, signal));
    },
  );

  app.post(
    '/api/v1/setup/finish',
    {
      config: { role: 'engineer', audit: 'finish-setup' },
      schema: {
        tags,
        summary: 'First set-up: write the configuration file and start the inspection',
        response: { 200: z.object({ ok: z.literal(true) }), ...refusals },
      },
    },
    async (_request, reply) => {
      if (tools.view.mode !== 'first') throw new QcError('setup-finished', 'the agent has a configuration');
      await tools.finish();
      // The server closes: the answer must arrive first.
      afterAnswer(reply, () => void sleep(100).then(tools.start));
      return { ok: true as const };
    },
  );
}
