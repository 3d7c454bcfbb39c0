/** Distinguishes final answers and errors of a hub from those that allow another attempt. */
import { errors } from 'undici';
import { QcError } from '../../../config/errors.ts';
import { type Answer, shownUrl } from './client.ts';

/** Another attempt may succeed. */
export class Transient extends Error {
  /** Waiting time requested by the hub, ms. */
  readonly waitMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; waitMs?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Transient';
    this.waitMs = options.waitMs;
  }
}

/** @throws QcError hub-…; Transient */
export function requireStatus(answer: Answer, allowed: readonly number[]): void {
  const { status, headers, url } = answer;
  if (allowed.includes(status)) return;
  answer.body.destroy();
  const said = words(headers['x-error-message']);
  const what = `${shownUrl(url)} answers ${status}${said === '' ? '' : `: ${said}`}`;
  if (status === 401 || status === 403) {
    const isGated = headers['x-error-code'] === 'GatedRepo';
    throw new QcError('hub-unauthorized', what, {
      ...(isGated && {
        remedy:
          'accept the conditions on the page of the model, then set HF_TOKEN to a token of that account',
      }),
    });
  }
  if (status === 404 || status === 410) throw new QcError('hub-not-found', what);
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    throw new Transient(what, { waitMs: retryAfter(answer) });
  throw new QcError('hub-refused', what);
}

/** RFC 9110, section 10.2.3: seconds, or a date, which is compared with the clock of the hub. */
function retryAfter({ headers }: Answer): number | undefined {
  const text = headers['retry-after']?.trim() ?? '';
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000;
  const [until, now] = [Date.parse(text), Date.parse(headers.date ?? '')];
  return Number.isNaN(until) || Number.isNaN(now) ? undefined : Math.max(0, until - now);
}

const networkCodes = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ENOTFOUND',
  'HPE_INVALID_CONSTANT',
  'HPE_INVALID_CHUNK_SIZE',
  'HPE_INVALID_EOF_STATE',
]);

/** The error, or why the network failed. @param what the file */
export function asTransient(error: unknown, what: string): unknown {
  const { code = '', message } = error as { code?: string; message: string };
  const proxied = /^Proxy response \((\d+)\)/.exec(message)?.[1];
  if (proxied !== undefined) return proxyFailure(Number(proxied), what);
  const isNetwork = error instanceof errors.UndiciError || networkCodes.has(code);
  if (!isNetwork || code === 'UND_ERR_ABORTED' || code === 'UND_ERR_INVALID_ARG') return error;
  const how =
    code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT'
      ? 'no data arrived within the time limit'
      : message;
  return new Transient(`${what}: ${how}`, { cause: error });
}

function proxyFailure(status: number, what: string): Error {
  const said = `${what}: the proxy answers ${status}`;
  if (status >= 500 || status === 429) return new Transient(said);
  return new QcError('hub-refused', said, {
    remedy:
      status === 407
        ? 'put user and password into HTTPS_PROXY: http://user:password@host:port'
        : 'check HTTPS_PROXY and NO_PROXY, and that the proxy allows this address',
  });
}

const maxShown = 200;
/** Printable text of limited length. */
function words(text = ''): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, maxShown);
}
