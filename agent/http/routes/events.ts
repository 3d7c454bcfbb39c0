import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Author } from '../../../calibration/dataset/state.ts';
import { authorOf } from '../../../calibration/routes/person.ts';
import type { App } from '../../../calibration/routes/route.ts';
import type { Answered } from '../../../calibration/station/labels.ts';
import { QcError } from '../../../config/errors.ts';
import type { HttpDeps } from '../deps.ts';
import { endless } from '../endless.ts';
import { errorBody } from '../errors.ts';
import { personOf } from '../person.ts';
import type { AnswerEvent, StationEvent } from '../views.ts';
import { camerasWithCounts } from './station.ts';

const maxClients = 32;
/** Unread data of a slow client beyond which its events are dropped, bytes. */
const maxUnreadBytes = 262_144;
/** Interval of `station` events, ms; the page also uses them to detect a lost connection. */
const beatMs = 1_000;
/** Missed events after which a client is disconnected; it reconnects automatically. */
const maxMissedBeats = 15;

interface Client {
  readonly response: ServerResponse;
  /** False once the session has ended or the token was revoked. */
  readonly stillAllowed: () => boolean;
  missedBeats: number;
  readonly author: Author;
  /** No results and no previews. */
  readonly isOnlyLabelling: boolean;
}

/**
 * Server-sent events (WHATWG HTML §9.2): `result` with each result, `answer` with each part that was labelled or skipped,
 * `station` with status and cameras every second. Previews are taken only while a client follows the results.
 */
export function addEvents(app: App, deps: HttpDeps): void {
  const clients = new Set<Client>();
  let beat: NodeJS.Timeout | undefined;
  let subscriptions: readonly Disposable[] = [];

  const send = (client: Client, event: string): boolean => {
    if (client.response.writableLength > maxUnreadBytes) return false;
    client.response.write(event);
    return true;
  };
  const station = () =>
    eventOf('station', {
      station: deps.station,
      at: Date.now(),
      status: deps.status(),
      cameras: camerasWithCounts(deps),
    } satisfies StationEvent);
  const tick = () => {
    const event = station();
    for (const client of clients) {
      if (!client.stillAllowed()) {
        client.response.destroy();
        continue;
      }
      client.missedBeats = send(client, event) ? 0 : client.missedBeats + 1;
      if (client.missedBeats > maxMissedBeats) client.response.destroy();
    }
  };
  const sendResult = (result: unknown) => {
    const event = eventOf('result', result);
    for (const client of clients) if (!client.isOnlyLabelling) send(client, event);
  };
  const sendAnswer = ({ resultId, label, author }: Answered) => {
    for (const client of clients) {
      const isOwn = isSame(client.author, author);
      send(client, eventOf('answer', { resultId, label, by: author.by, isOwn } satisfies AnswerEvent));
    }
  };
  let isWatching = false;
  const startOrStop = () => {
    if (clients.size > 0 && !beat) {
      beat = setInterval(tick, beatMs);
      subscriptions = [
        deps.recent.subscribe(sendResult),
        ...(deps.calibration ? [deps.calibration.onAnswer(sendAnswer)] : []),
      ];
    } else if (clients.size === 0 && beat) {
      clearInterval(beat);
      beat = undefined;
      for (const one of subscriptions) one[Symbol.dispose]();
    }
    const isWatched = [...clients].some(({ isOnlyLabelling }) => !isOnlyLabelling);
    if (isWatched !== isWatching) deps.watch(isWatched);
    isWatching = isWatched;
  };

  app.get(
    '/api/v1/events',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['results'],
        summary:
          'Server-sent events: result with each result, answer with each labelled part, station every second',
        querystring: z.object({
          client: z
            .string()
            .max(64)
            .optional()
            .describe('the value of x-qc-client, which EventSource cannot send as a header'),
          only: z.enum(['labelling']).optional().describe('labelling: no results and no previews'),
        }),
        produces: ['text/event-stream'],
        response: { 503: errorBody },
      },
    },
    (request, reply) => {
      if (clients.size >= maxClients)
        throw new QcError('http-busy', `${clients.size} clients follow the events, which is the maximum`);
      const response = endless(request, reply, 'text/event-stream; charset=utf-8');
      const stillAllowed = request.stillAllowed ?? (() => true);
      const author = authorOf(personOf(request, request.query.client));
      const isOnlyLabelling = request.query.only === 'labelling';
      const client: Client = { response, stillAllowed, missedBeats: 0, author, isOnlyLabelling };
      clients.add(client);
      startOrStop();
      send(client, `retry: 2000\n\n${station()}`);
      response.on('close', () => {
        clients.delete(client);
        const isStillThere = [...clients].some((one) => isSame(one.author, author));
        if (!isStillThere) deps.calibration?.leave(author);
        startOrStop();
      });
    },
  );

  app.addHook('preClose', () => {
    for (const client of clients) client.response.destroy();
  });
}

const isSame = (a: Author, b: Author) => a.by === b.by && a.client === b.client;
const eventOf = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
