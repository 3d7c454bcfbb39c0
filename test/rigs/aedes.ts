/** A broker inside the test's own process: MQTT 3.1.1 only, so it also shows the fall-back from 5. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Aedes } from 'aedes';

export interface Broker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Ends at once, connections and all, as in a crash. */
  kill(): Promise<void>;
}

export interface AedesOptions {
  readonly port?: number;
  readonly users?: Readonly<Record<string, string>>;
}

export async function startAedes(options: AedesOptions = {}): Promise<Broker> {
  const { users } = options;
  const aedes = await Aedes.createBroker(
    users && {
      authenticate: (_client, username, password, done) => {
        done(null, username !== undefined && users[username] === password?.toString());
      },
    },
  );
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    aedes.handle(socket);
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let closed = false;
  const kill = async () => {
    if (closed) return;
    closed = true;
    const ended = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await ended;
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
  };
  return { url: `mqtt://127.0.0.1:${port}`, port, kill, [Symbol.asyncDispose]: kill };
}
