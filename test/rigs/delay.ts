/** A network, recorder or proxy that delays the data of the camera: everything arrives in order, but late. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Delay extends AsyncDisposable {
  readonly port: number;
  /** Sets the delay of data from now on, ms; a smaller delay delivers the backlog immediately. */
  set(ms: number): void;
}

export async function openDelay(targetPort: number): Promise<Delay> {
  const sockets = new Set<Socket>();
  const flushes = new Set<() => void>();
  let delayMs = 0;
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    const held: { readonly chunk: Buffer; readonly at: number }[] = [];
    const flush = () => {
      while (held[0] && performance.now() - held[0].at >= delayMs) near.write(held.shift()!.chunk);
    };
    const timer = setInterval(flush, 5);
    flushes.add(flush);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(timer);
        flushes.delete(flush);
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.on('data', (chunk) => {
      held.push({ chunk, at: performance.now() });
      flush();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    set(ms) {
      delayMs = ms;
      for (const flush of flushes) flush();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
