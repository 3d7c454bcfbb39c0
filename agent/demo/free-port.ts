import { once } from 'node:events';
import { createServer } from 'node:net';

/** The wanted port if it is free on loopback, otherwise 0 (any port). */
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
