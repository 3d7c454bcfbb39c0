import { once } from 'node:events';
import { createServer } from 'node:net';

/** The port where it is free on loopback, or 0: any other one. */
export async function portOr(wanted: number): Promise<number> {
  const server = createServer();
  try {
    server.listen(wanted, '127.0.0.1');
    await once(server, 'listening');
    return wanted;
  } catch {
    return 0;
  } finally {
    server.close();
  }
}
