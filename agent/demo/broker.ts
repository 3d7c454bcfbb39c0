/**
 * An MQTT broker in this process (aedes; 3.1.1 only, so it also shows the fall-back from 5), for the demo and for tests
 * that stop and restart it.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';

export interface BrokerOptions {
  readonly host?: string;
  /** 0, the default: any free port. */
  readonly port?: number | undefined;
  /** Accepted names and passwords; default: everybody. */
  readonly users?: Readonly<Record<string, string>>;
}

export interface Broker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly clients: number;
  /** Cuts every connection; clients may reconnect at once. */
  disconnectAll(): void;
  /** Stops listening. Retained messages are lost, as in a broker without persistence. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
}

/** Opens the broker; rejects if the port is not available. */
export async function openBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { host = '127.0.0.1', users } = options;
  const sockets = new Set<Socket>();
  let running: { readonly server: Server; readonly aedes: Aedes } | undefined;
  let port = options.port ?? 0;

  function disconnectAll(): void {
    for (const socket of sockets) socket.destroy();
  }

  async function start(): Promise<void> {
    if (running) return;
    const aedes = await Aedes.createBroker(
      users && {
        authenticate: (_client, username, password, done) =>
          done(null, username !== undefined && users[username] === password?.toString()),
      },
    );
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      aedes.handle(socket);
    });
    try {
      server.listen(port, host);
      await once(server, 'listening');
    } catch (error) {
      await closeAedes(aedes);
      throw error;
    }
    const address = server.address();
    if (typeof address === 'object' && address) port = address.port;
    running = { server, aedes };
  }

  async function stop(): Promise<void> {
    const stopping = running;
    running = undefined;
    if (!stopping) return;
    const closed = once(stopping.server, 'close');
    stopping.server.close();
    disconnectAll();
    await Promise.all([closed, closeAedes(stopping.aedes)]);
  }

  await start();
  return {
    get url() {
      return `mqtt://${host.includes(':') ? `[${host}]` : host}:${port}`;
    },
    get port() {
      return port;
    },
    get clients() {
      return sockets.size;
    },
    disconnectAll,
    stop,
    start,
    [Symbol.asyncDispose]: stop,
  };
}

function closeAedes(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(() => resolve()));
}
