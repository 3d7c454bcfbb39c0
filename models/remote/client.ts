/** HTTP client for one inference server: keep-alive connections, a timeout for each request, and specific errors. */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { type ErrorCode, QcError } from '../../config/errors.ts';
import type { RemoteConfig } from '../../config/schema.ts';
import { readSecret } from '../../config/secrets.ts';
import { errorText, type Message } from './protocol.ts';

export interface Reply {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Client {
  /** For messages; contains no secret. */
  readonly url: string;
  /**
   * Sends one request, GET without a message. Only status 200 is a success.
   * @param path below the server's address. @throws QcError inference-server-…
   */
  send(path: string, limits: Limits, message?: Message): Promise<Reply>;
  /** Pending requests are still answered. */
  close(): void;
}

export interface Limits {
  readonly timeoutMs: number;
  /** Maximum length of a response body, bytes. */
  readonly maxBytes: number;
  /** Do not send over a new connection, because it may lead to another server. */
  readonly onlyKept?: boolean;
}

/** There was no open connection: nothing was sent. */
export class NotKept extends Error {}

/**
 * A client with the current token and certificate authority; the signal aborts its requests.
 * @throws QcError inference-server-unauthorized, -unreachable
 */
export function openClient(
  { url, ca, token, tokenFile, parallel }: RemoteConfig,
  signal: AbortSignal,
): Client {
  const base = url.replace(/\/+$/, '');
  const isSecure = base.startsWith('https:');
  const bearer = token ?? (tokenFile === undefined ? undefined : tokenIn(tokenFile, base));
  const options = { keepAlive: true, maxSockets: parallel + 1 };
  const agent = isSecure
    ? new HttpsAgent({ ...options, ...(ca !== undefined && { ca: authority(ca, base) }) })
    : new HttpAgent(options);
  let running = 0;
  let closing = false;
  const begin = isSecure ? httpsRequest : httpRequest;

  function attempt(path: string, limits: Limits, message?: Message): Promise<Reply> {
    const { timeoutMs, maxBytes, onlyKept = false } = limits;
    return new Promise((resolve, reject) => {
      const length = message?.body.reduce((sum, part) => sum + part.length, 0);
      const asked: RequestOptions = {
        agent,
        signal,
        method: message ? 'POST' : 'GET',
        headers: {
          accept: 'application/json, application/octet-stream',
          ...message?.headers,
          ...(length !== undefined && { 'content-length': length }),
          ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        },
      };
      const request = begin(`${base}${path}`, asked);
      // If this thread was busy, a response may already be there: it is read before the timeout takes effect.
      const timer = setTimeout(() => setImmediate(() => fail('timeout', lateness(timeoutMs))), timeoutMs);
      const fail = (kind: Failure, what: string, cause?: unknown) => {
        clearTimeout(timer);
        request.destroy();
        reject(failure(kind, `${base} ${what}`, cause));
      };
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (request.reusedSocket && error.code === 'ECONNRESET') error.message = stale;
        fail('unreachable', `cannot be reached: ${error.message || error.code}`, error);
      });
      request.on('response', (response) => {
        const parts: Buffer[] = [];
        let size = 0;
        response.on('error', (error) => fail('unreachable', `ended in the middle: ${error.message}`, error));
        response.on('data', (part: Buffer) => {
          size += part.length;
          if (size > maxBytes) fail('invalid', `responds with more than ${maxBytes} bytes`);
          else parts.push(part);
        });
        response.on('end', () => {
          clearTimeout(timer);
          const body = Buffer.concat(parts, size);
          const { statusCode = 0 } = response;
          if (statusCode === 200) return resolve({ headers: response.headers, body });
          const said = errorText(body);
          reject(
            failure(
              kindOf(statusCode),
              `${base}${path} responds with status ${statusCode}${said ? `: ${said}` : ''}`,
            ),
          );
        });
      });
      request.on('socket', () => {
        if (onlyKept && !request.reusedSocket) {
          clearTimeout(timer);
          request.destroy();
          reject(new NotKept());
          return;
        }
        for (const part of message?.body ?? []) request.write(part);
        request.end();
      });
    });
  }

  return {
    url: base,
    async send(path, limits, message) {
      const startedAt = performance.now();
      running++;
      try {
        return await attempt(path, limits, message);
      } catch (error) {
        // The server closed the idle connection at the same moment: the request did not arrive (RFC 9112 section 9.3.1).
        const left = limits.timeoutMs - (performance.now() - startedAt);
        if (!isStale(error) || left < 1) throw error;
        return await attempt(path, { ...limits, timeoutMs: left }, message);
      } finally {
        running--;
        if (closing && running === 0) agent.destroy();
      }
    },
    close() {
      closing = true;
      if (running === 0) agent.destroy();
    },
  };
}

/** Kinds of failed requests: the last words of the error codes. */
export const failures = ['timeout', 'unreachable', 'unauthorized', 'refused', 'failed', 'invalid'] as const;
type Failure = (typeof failures)[number];

const failure = (kind: Failure, message: string, cause?: unknown) =>
  new QcError(`inference-server-${kind}` satisfies ErrorCode, message, { cause });

const lateness = (ms: number) => `does not respond within ${Math.round(ms)} ms`;
const stale = 'the open connection was closed';
const isStale = (error: unknown) =>
  error instanceof QcError && error.cause instanceof Error && error.cause.message === stale;

function kindOf(status: number): Failure {
  if (status === 401 || status === 403) return 'unauthorized';
  return status >= 500 || status === 429 ? 'failed' : 'refused';
}

function tokenIn(file: string, url: string): string {
  const read = readSecret(file);
  if ('fault' in read) throw failure('unauthorized', `no token for ${url}: ${read.fault.what}`);
  return read.secret;
}

function authority(file: string, url: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw failure(
      'unreachable',
      `${url} cannot be verified: cannot read ${file}: ${(cause as Error).message}`,
      cause,
    );
  }
}
