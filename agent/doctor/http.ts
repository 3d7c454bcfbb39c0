/** Checks the HTTP interface: the tokens can be read, and the port is free or used by this agent. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config, HttpConfig } from '../../config/schema.ts';
import { askAgent } from '../http/ask-agent.ts';
import { readServedCertificate, type ServedCertificate } from '../http/tls.ts';
import { readTokens } from '../http/tokens.ts';
import { expiring, type Finding, failure, failureOf, good } from './finding.ts';

export async function checkHttp(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const { http } = config;
  let certificate: ServedCertificate | undefined;
  try {
    if (http.tokensFile !== undefined) await readTokens(http.tokensFile);
    certificate = await readServedCertificate(http);
  } catch (error) {
    return [failureOf('http', error)];
  }
  const ending = expiring('http', `http.cert (${http.cert})`, certificate?.validTo);
  return [...(await checkPort(config, certificate, signal)), ...ending];
}

async function checkPort(
  config: Config,
  certificate: ServedCertificate | undefined,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { http } = config;
  const secured = http.tokensFile === undefined ? 'loopback only' : 'with tokens';
  const where = `port ${http.port} on ${http.host}`;
  const code = await whyNotListening(http.host, http.port);
  switch (code) {
    case undefined:
      return [
        good('http', `${http.port === 0 ? `any port on ${http.host}` : `${where} is free`}, ${secured}`),
      ];
    case 'EADDRINUSE':
      return [await taken(config, certificate, where, signal)];
    case 'EACCES':
      return [failure('http', `no permission for ${where}`, 'choose an http.port above 1023')];
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [
        failure(
          'http',
          `${http.host} is not an address of this machine`,
          'set http.host to 127.0.0.1, 0.0.0.0 or an address of this machine',
        ),
      ];
    default:
      return [failure('http', `cannot listen: ${where}: ${code}`, 'check http.host and http.port')];
  }
}

async function whyNotListening(host: string, port: number): Promise<string | undefined> {
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? message;
  }
  server.close();
  await once(server, 'close');
  return undefined;
}

/** What a running agent reports about itself. */
export interface RunningAgent {
  /** What its broker refuses; empty if nothing. */
  readonly refused: string;
}

/** The running agent of this configuration; undefined if it is not running. */
export async function runningAgent(config: Config, signal: AbortSignal): Promise<RunningAgent | undefined> {
  const certificate = await readServedCertificate(config.http).catch(() => undefined);
  const checks = await checksServedAt(config.http, certificate, signal);
  if (!checks || !isOurs(config, camerasOf(checks))) return undefined;
  const broker = checks.find(({ name }) => name === 'broker');
  return { refused: broker?.ready ? (broker.reason ?? '') : '' };
}

/** The readiness of our agent names the same cameras. */
function isOurs({ cameras }: Config, theirs: readonly string[]): boolean {
  const ours = Object.keys(cameras);
  return theirs.length === ours.length && ours.every((name) => theirs.includes(name));
}

/** The agent of this configuration may be running already. */
async function taken(
  config: Config,
  certificate: ServedCertificate | undefined,
  where: string,
  signal: AbortSignal,
): Promise<Finding> {
  const checks = await checksServedAt(config.http, certificate, signal);
  const remedy = 'choose another http.port, or stop the program that uses this port';
  if (!checks) return failure('http', `${where} is in use by another program`, remedy);
  const theirs = camerasOf(checks);
  if (isOurs(config, theirs)) {
    return good('http', `${where} is used by this agent, which is running`);
  }
  return failure('http', `${where} is in use by an agent with other cameras (${theirs.join(', ')})`, remedy);
}

interface Check {
  readonly name: string;
  readonly ready: boolean;
  readonly reason?: string;
}

function camerasOf(checks: readonly Check[]): string[] {
  return checks.flatMap(({ name }) => (name.startsWith('camera ') ? [name.slice(7)] : []));
}

async function checksServedAt(
  { host, port }: HttpConfig,
  certificate: ServedCertificate | undefined,
  signal: AbortSignal,
): Promise<Check[] | undefined> {
  const name =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.replace(/^([^[].*:.*)$/, '[$1]');
  try {
    const url = new URL(`${certificate ? 'https' : 'http'}://${name}:${port}/readyz`);
    const answer = await askAgent(url, { signal, certificate: certificate?.cert });
    const { checks } = JSON.parse(answer.body) as { checks: Check[] };
    return Array.isArray(checks) ? checks : undefined;
  } catch {
    return undefined;
  }
}
