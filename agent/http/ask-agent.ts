/** One request to an agent from the command line, over HTTP or HTTPS. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';

export interface Question {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /**
   * PEM of the certificate that the agent is configured with: a server with another certificate gets no request. No authority
   * has to be known, and the address does not have to be in the certificate. Without it, authorities are checked as usual.
   */
  readonly certificate?: Buffer | undefined;
}

/** @throws without an answer, or if the server has another certificate */
export async function askAgent(
  url: URL,
  { method = 'GET', headers = {}, body, signal, certificate }: Question,
): Promise<{ readonly status: number; readonly body: string }> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const port = Number(url.port || (secure ? 443 : 80));
  const socket = secure ? await connectSecurely(host, port, certificate, signal) : undefined;
  const options: RequestOptions = {
    host,
    port,
    path: `${url.pathname}${url.search}`,
    method,
    headers: { ...headers },
    signal,
    // An http.Agent would open another connection.
    ...(socket ? { createConnection: () => socket } : { agent: false }),
  };
  const asked = request(options);
  asked.end(body);
  try {
    const [response] = (await once(asked, 'response', { signal })) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: await text(response) };
  } finally {
    socket?.destroy();
  }
}

/** Nothing is sent before the server has been identified. */
async function connectSecurely(
  host: string,
  port: number,
  certificate: Buffer | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = connect({ host, port, rejectUnauthorized: certificate === undefined });
  try {
    await once(socket, 'secureConnect', { signal });
    const shown = socket.getPeerX509Certificate()?.fingerprint256;
    if (certificate && shown !== new X509Certificate(certificate).fingerprint256) {
      throw new Error('the server presents a certificate that is not http.cert');
    }
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
