/** One request to a hub, with its redirects. Retries are in `download.ts`. */
import { EnvHttpProxyAgent, request } from 'undici';
import { QcError } from '../../../config/errors.ts';
import { type Arriving, arriving } from './arriving.ts';
import type { HubSettings } from './settings.ts';

export interface HubRequest {
  readonly url: URL;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Sent only to the origin of `url`, never to a target of redirects. */
  readonly authorization?: string | undefined;
}

export type Headers = Readonly<Record<string, string | undefined>>;

export interface Answer {
  /** After redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  /** Headers of the redirects before it. */
  readonly before: readonly Headers[];
  /** Must be read to its end, or destroyed. */
  readonly body: Arriving;
}

export interface Client extends AsyncDisposable {
  /** @throws QcError hub-refused for a redirect that is not followed; errors of the network */
  send(request: HubRequest, signal: AbortSignal): Promise<Answer>;
}

export interface Timeouts {
  readonly connectMs: number;
  /** Longest wait for headers, and for the next bytes. */
  readonly stallMs: number;
}

const maxRedirects = 10;
const userAgent = 'qc-edge-agent';

export function openClient(
  { proxies }: Pick<HubSettings, 'proxies'>,
  { connectMs, stallMs }: Timeouts,
): Client {
  const dispatcher = new EnvHttpProxyAgent({
    ...proxies,
    connect: { timeout: connectMs },
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
  });

  async function once(asked: HubRequest, signal: AbortSignal) {
    const { url, method = 'GET', body, authorization } = asked;
    const headers = {
      'user-agent': userAgent,
      // Sizes and hashes are those of the file itself.
      'accept-encoding': 'identity',
      ...asked.headers,
      ...(authorization !== undefined && { authorization }),
    };
    const answer = await request(url, { method, headers, body: body ?? null, signal, dispatcher });
    const plain = Object.fromEntries(
      Object.entries(answer.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(', ') : value,
      ]),
    );
    return { url, status: answer.statusCode, headers: plain, body: arriving(answer.body) };
  }

  return {
    async send(first, signal) {
      const before: Headers[] = [];
      let asked = first;
      for (;;) {
        const answer = await once(asked, signal);
        const { location } = answer.headers;
        if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined)
          return { ...answer, before };
        answer.body.destroy();
        if (before.length === maxRedirects) throw refused(first.url, `more than ${maxRedirects} redirects`);
        before.push(answer.headers);
        asked = redirected(asked, location, answer.status);
      }
    },
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}

function redirected(asked: HubRequest, location: string, status: number): HubRequest {
  if (!URL.canParse(location, asked.url.href)) throw refused(asked.url, 'it redirects to an invalid address');
  const url = new URL(location, asked.url);
  const isWeaker = asked.url.protocol === 'https:' && url.protocol !== 'https:';
  if (isWeaker || !/^https?:$/.test(url.protocol) || url.username !== '')
    throw refused(asked.url, `it redirects to ${url.protocol}//${url.host}, which is not safe`);
  if (asked.method === 'POST' && status !== 307 && status !== 308)
    throw refused(asked.url, 'it redirects a question');
  const authorization = url.origin === asked.url.origin ? asked.authorization : undefined;
  return { ...asked, url, authorization };
}

function refused(url: URL, why: string): QcError {
  return new QcError('hub-refused', `${shownUrl(url)}: ${why}`);
}

/** For messages and records: without the query, which may contain a signature. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}
