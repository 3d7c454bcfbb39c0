/** A small RTSP 1.0 server with one camera, and methods to simulate faults. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { seededRandom } from '../../../calibration/train/random.ts';
import { Connection } from './connection.ts';
import { type Codec, type EncodedPicture, payloadFormats } from './payload.ts';
import { describe } from './sdp.ts';

/** Source of the images; used only while a client plays. */
export interface PictureSource {
  readonly codec: Codec;
  /** A key frame with its parameter sets, for the session description. */
  readonly keyPicture: Buffer;
  /** Requests a key frame as the next image, for a client that has just started to play. */
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
  /** Digest authentication, if both are given. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly source: PictureSource;
}

/** Selects packets of images; images are counted from the first one after the selection is set. */
export type PacketChoice = (packet: number, packets: number, picture: number) => boolean;

export interface RtspServer {
  /** Without user and password. */
  readonly url: string;
  readonly port: number;
  readonly clients: number;
  /** Number of images skipped for slow clients. */
  readonly dropped: number;
  /** Cuts every connection; clients may reconnect at once. */
  disconnectAll(): void;
  /** Stays connected and answers, but sends no more images. */
  stall(on: boolean): void;
  /** Flips bytes in this share of the packets, 0 to 1; 0 ends it. */
  corrupt(share: number, seed?: number): void;
  /** Drops the selected packets: number `packet` of the `packets` of an image, counted from 0; undefined ends it. */
  lose(choose: PacketChoice | undefined): void;
  /** Simulates a dead camera: stops listening. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
}

/** Opens the server; rejects if the port is not available. */
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
