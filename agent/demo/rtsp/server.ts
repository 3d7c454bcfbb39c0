/** A small RTSP 1.0 server with one camera behind it, and handles to make it misbehave. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { seededRandom } from '../../../calibration/train/random.ts';
import { Connection } from './connection.ts';
import { type Codec, type EncodedPicture, payloadFormats } from './payload.ts';
import { describe } from './sdp.ts';

/** Where the images come from; asked for some only while a client plays. */
export interface PictureSource {
  readonly codec: Codec;
  /** A key frame with its parameter sets, for the session description. */
  readonly keyPicture: Buffer;
  /** The next image must be a key frame: someone has just begun to play. */
  requestKey(): void;
  /** Delivers images until the returned function is called. */
  subscribe(listener: (picture: EncodedPicture) => void): () => void;
}

export interface RtspServerOptions {
  readonly host?: string;
  /** 0, the default: any free port. */
  readonly port?: number | undefined;
  /** Starts with a slash. */
  readonly path?: string;
  /** Digest authentication, where both are given. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly source: PictureSource;
}

/** Chooses packets of images, which are counted from the first that is sent after the choice is made. */
export type PacketChoice = (packet: number, packets: number, picture: number) => boolean;

export interface RtspServer {
  /** Without user and password. */
  readonly url: string;
  readonly port: number;
  readonly clients: number;
  /** Images left out for slow clients. */
  readonly dropped: number;
  /** Cuts every connection; clients may come back at once. */
  disconnectAll(): void;
  /** Stays connected and answers, but sends no more images. */
  stall(on: boolean): void;
  /** Flips bytes in this share of the packets, 0 to 1; 0 ends it. */
  corrupt(share: number, seed?: number): void;
  /** Loses the packets that are chosen: the `packet`th of the `packets` of an image, all counted from 0; undefined ends it. */
  lose(choose: PacketChoice | undefined): void;
  /** The camera is dead: nothing listens any more. */
  stop(): Promise<void>;
  /** It is back, on the same port. */
  start(): Promise<void>;
}

/** Opens the server; rejects where the port cannot be had. */
export async function openRtspServer(options: RtspServerOptions): Promise<RtspServer & AsyncDisposable> {
  const { source, host = '127.0.0.1', path = '/camera', user, password } = options;
  const format = payloadFormats[source.codec];
  const connections = new Set<Connection>();
  let unsubscribe: (() => void) | undefined;
  let server: Server | undefined;
  let port = options.port ?? 0;
  let stalled = false;
  let damage = (payload: Buffer) => payload;
  let choice: { lost: PacketChoice; pictures: number } | undefined;
  let dropped = 0;

  function send(picture: EncodedPicture): void {
    if (stalled) return;
    const payloads = format.packetise(picture.data).map((payload) => damage(payload));
    const number = choice ? choice.pictures++ : 0;
    const lost = payloads.map((_, index) => choice?.lost(index, payloads.length, number) ?? false);
    for (const connection of connections) {
      connection.sendPicture(payloads, { key: picture.key, capturedAt: picture.capturedAt, lost });
    }
  }

  function followClients(): void {
    const playing = [...connections].some((connection) => connection.playing);
    if (playing) {
      source.requestKey();
      unsubscribe ??= source.subscribe(send);
    } else {
      unsubscribe?.();
      unsubscribe = undefined;
    }
  }

  function disconnectAll(): void {
    for (const connection of connections) connection.close();
  }

  async function start(): Promise<void> {
    if (server) return;
    const starting = createServer({ noDelay: true }, (socket) => {
      const connection = new Connection(socket, {
        path,
        format,
        credentials: user !== undefined && password !== undefined ? { user, password } : undefined,
        describe: () => describe(socket.localAddress ?? host, format, source.keyPicture),
        onPlayingChange: followClients,
        onDrop: () => dropped++,
      });
      connections.add(connection);
      void connection.serve().finally(() => connections.delete(connection));
    });
    starting.listen(port, host);
    await once(starting, 'listening');
    const address = starting.address();
    if (typeof address === 'object' && address) port = address.port;
    server = starting;
  }

  async function stop(): Promise<void> {
    const stopping = server;
    server = undefined;
    if (!stopping) return;
    stopping.close();
    disconnectAll();
    await once(stopping, 'close');
  }

  await start();
  return {
    get url() {
      return `rtsp://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
    },
    get port() {
      return port;
    },
    get clients() {
      return connections.size;
    },
    get dropped() {
      return dropped;
    },
    disconnectAll,
    stall: (on) => {
      stalled = on;
    },
    corrupt: (share, seed = 1) => {
      damage = damager(share, seed);
    },
    lose: (lost) => {
      choice = lost && { lost, pictures: 0 };
    },
    stop,
    start,
    [Symbol.asyncDispose]: stop,
  };
}

function damager(share: number, seed: number): (payload: Buffer) => Buffer {
  const random = seededRandom(seed);
  return (payload) => {
    if (random.next() >= share) return payload;
    const damaged = Buffer.from(payload);
    for (let flips = 1 + random.integer(8); flips > 0; flips--) {
      const at = random.integer(damaged.length);
      damaged[at] = (damaged[at] ?? 0) ^ (1 + random.integer(255));
    }
    return damaged;
  };
}
