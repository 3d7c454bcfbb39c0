/** A TCP proxy that can be shut: then no data passes, but both connections stay open. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Valve extends AsyncDisposable {
  readonly port: number;
  shut(): void;
  open(): void;
}

export async function openValve(targetPort: number): Promise<Valve> {
  const sockets = new Set<Socket>();
  /** Sockets whose other end has closed, which a shut valve does not signal. */
  const widowed = new Set<Socket>();
  let isShut = false;
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => isShut || to.write(chunk));
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        if (isShut) widowed.add(to);
        else to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    shut: () => {
      isShut = true;
    },
    open: () => {
      isShut = false;
      for (const socket of widowed) socket.destroy();
      widowed.clear();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
