/** The agent over HTTP: metrics, health, the API and the operator's page. */
import type { AddressInfo } from 'node:net';
import { QcError } from '../../config/errors.ts';
import { isLoopback } from '../../config/resolve.ts';
import type { HttpConfig } from '../../config/schema.ts';
import { buildApp } from './app.ts';
import type { HttpDeps } from './deps.ts';
import { readTokens } from './tokens.ts';

export interface Http extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
}

/**
 * Listens from when it resolves. Any address but loopback needs tokens.
 * @throws QcError http-tokens-missing, http-tokens-invalid, http-port-taken, http-listen-failed
 */
export async function openHttp(config: HttpConfig, deps: HttpDeps): Promise<Http> {
  const tokens = config.tokensFile === undefined ? undefined : await readTokens(config.tokensFile);
  if (!tokens && !isLoopback(config.host)) {
    throw new QcError('http-tokens-missing', `http.host ${config.host} can be reached by others`);
  }
  const log = deps.log.child({ component: 'http' });
  const app = await buildApp(config, tokens, { ...deps, log });
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await app.close();
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new QcError(
      taken ? 'http-port-taken' : 'http-listen-failed',
      taken
        ? `port ${config.port} on ${config.host} is in use`
        : `cannot listen on ${config.host}:${config.port}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  const { port } = app.server.address() as AddressInfo;
  const url = `http://${shownHost(config.host)}:${port}`;
  log.info({ url, tokens: tokens !== undefined }, 'page, API and metrics are served');
  return { url, [Symbol.asyncDispose]: async () => void (await app.close()) };
}

/** An address that a browser on this machine can open. */
function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
