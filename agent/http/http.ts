/** The agent over HTTP: metrics, health, the API and the operator's page. */
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { App } from '../../calibration/routes/route.ts';
import { QcError } from '../../config/errors.ts';
import { isLoopback } from '../../config/resolve.ts';
import type { HttpConfig } from '../../config/schema.ts';
import { Closer } from '../lifecycle/closer.ts';
import type { Log } from '../lifecycle/log.ts';
import { openAccessFiles } from './access-files.ts';
import { type AccessFiles, buildApp } from './app.ts';
import type { HttpDeps } from './deps.ts';
import { followCertificate } from './tls.ts';

export interface Http extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080`, or `https://…`. */
  readonly url: string;
}

/**
 * Listens when it resolves. Any address other than loopback needs tokens.
 * @throws QcError http-tokens-missing, http-tokens-invalid, http-certificate, http-port-taken, http-listen-failed
 */
export function openHttp(config: HttpConfig, deps: HttpDeps): Promise<Http> {
  return openServer(config, deps, (access, log) => buildApp(config, access, { ...deps, log }));
}

export type ServerDeps = Pick<HttpDeps, 'log' | 'audit' | 'onNotice'>;

/** Serves what `build` builds. @throws QcError as `openHttp` */
export async function openServer(
  config: HttpConfig,
  { log: parent, ...deps }: ServerDeps,
  build: (access: AccessFiles, log: Log) => Promise<App>,
): Promise<Http> {
  if (config.tokensFile === undefined && !isLoopback(config.host)) {
    throw new QcError(
      'http-tokens-missing',
      `http.host ${config.host} is reachable from other machines, but no tokens are configured`,
    );
  }
  const log = parent.child({ component: 'http' });
  await using opened = new Closer();
  const access = await openAccessFiles(config, { ...deps, log });
  opened.use(access);
  const app = await build(access, log);
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
  opened.defer(async () => void (await app.close()));
  opened.use(await followCertificate(config, app.server as Server, access.certificateEvents));
  const { port } = app.server.address() as AddressInfo;
  const scheme = access.certificate ? 'https' : 'http';
  const url = `${scheme}://${shownHost(config.host)}:${port}`;
  log.info({ url, tokens: access.tokens !== undefined }, 'page, API and metrics are served');
  const all = opened.move();
  return { url, [Symbol.asyncDispose]: () => all[Symbol.asyncDispose]() };
}

/** An address that a browser on this machine can open. */
function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
