import type { ServerResponse } from 'node:http';
import { QcError } from '../../../config/errors.ts';
import type { App, HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';
import { camerasWithCounts } from './station.ts';

const maxClients = 32;
/** What a slow client may leave unread before events are dropped for it, bytes. */
const maxUnreadBytes = 262_144;
/** Time between two `station` events: also the sign of life by which the page knows the link stands, ms. */
const beatMs = 1_000;
/** Beats a client may miss before it is hung up on; it comes back by itself. */
const maxMissedBeats = 15;

interface Client {
  readonly response: ServerResponse;
  /** Not any more once the session is over or the token revoked. */
  readonly stillAllowed: () => boolean;
  missedBeats: number;
}

/**
 * Server-sent events (WHATWG HTML §9.2): `result` with each result, `station` with status and cameras every
 * second. Previews are taken only while somebody listens here.
 */
export function addEvents(app: App, deps: HttpDeps): void {
  const clients = new Set<Client>();
  let beat: NodeJS.Timeout | undefined;
  let subscription: Disposable | undefined;

  const send = (client: Client, event: string): boolean => {
    if (client.response.writableLength > maxUnreadBytes) return false;
    client.response.write(event);
    return true;
  };
  const station = () =>
    eventOf('station', {
      station: deps.station,
      // Ages are told by this clock: the browser's may be off.
      at: Date.now(),
      status: deps.status(),
      cameras: camerasWithCounts(deps),
    });
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
  const startOrStop = () => {
    if (clients.size > 0 && !beat) {
      beat = setInterval(tick, beatMs);
      subscription = deps.recent.subscribe((result) => {
        const event = eventOf('result', result);
        for (const client of clients) send(client, event);
      });
      deps.watch(true);
    } else if (clients.size === 0 && beat) {
      clearInterval(beat);
      beat = undefined;
      subscription?.[Symbol.dispose]();
      deps.watch(false);
    }
  };

  app.get(
    '/api/v1/events',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['results'],
        summary: 'Server-sent events: result with each result, station every second',
        produces: ['text/event-stream'],
        response: { 503: errorBody },
      },
    },
    (request, reply) => {
      if (clients.size >= maxClients)
        throw new QcError('http-busy', `${clients.size} listeners are here already`);
      reply.hijack();
      const response = reply.raw;
      response.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        // Proxies must not collect events.
        'x-accel-buffering': 'no',
      });
      const stillAllowed = request.stillAllowed ?? (() => true);
      const client: Client = { response, stillAllowed, missedBeats: 0 };
      clients.add(client);
      startOrStop();
      send(client, `retry: 2000\n\n${station()}`);
      request.raw.socket.setNoDelay(true);
      response.on('error', () => undefined);
      response.on('close', () => {
        clients.delete(client);
        startOrStop();
      });
    },
  );

  app.addHook('preClose', () => {
    for (const client of clients) client.response.destroy();
  });
}

const eventOf = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
