/** Connects to a camera, and explains a failure to the operator. */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type ErrorCode, QcError } from '../../../config/errors.ts';

/** Host and port of an rtsp:// or rtsps:// address. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

/** @throws QcError camera-protocol if it is not the address of a stream */
export function placeOf(address: string): Place {
  // `URL` parses rtsp addresses differently from http ones, and a password may contain a #.
  const [, scheme = '', authority = ''] = /^(rtsps?):\/\/(?:[^/]*@)?([^/?]+)/i.exec(address) ?? [];
  const [, bracketed, name, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(authority) ?? [];
  const host = bracketed ?? name;
  if (!host || Number(port) > 65_535) {
    throw new QcError('camera-protocol', `"${authority}" is not the address of a camera`, {
      remedy: 'write url: rtsp://host/path',
    });
  }
  const isSecure = scheme.toLowerCase() === 'rtsps';
  return { host, port: port === undefined ? (isSecure ? 322 : 554) : Number(port), isSecure };
}

/** @throws QcError camera-host-unknown, camera-refused, camera-unreachable, camera-tls */
export function dial({ host, port, isSecure }: Place, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = { host, port, noDelay: true };
    // As in FFmpeg: cameras use self-signed certificates, and old ones support only old versions of TLS.
    const lenient = {
      rejectUnauthorized: false,
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const;
    const socket = isSecure
      ? connectTls({ ...options, ...lenient, ...(isIP(host) ? {} : { servername: host }) })
      : connect(options);
    let isConnected = false;
    socket.once('connect', () => {
      isConnected = true;
    });
    const timer = setTimeout(() => {
      const late = `within ${timeoutMs} ms`;
      fail(
        isConnected
          ? new QcError('camera-tls', `${host}:${port} does not answer in TLS ${late}`, {
              remedy: otherScheme,
            })
          : new QcError('camera-unreachable', `${host}:${port} does not answer: no connection ${late}`),
      );
    }, timeoutMs);
    const fail = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error instanceof QcError ? error : explained(error, host, port));
    };
    socket.once('error', fail);
    const closed = () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    socket.once('close', closed);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', fail).off('close', closed);
      resolve(socket);
    });
  });
}

const otherScheme = 'write rtsp:// in url, or the port for rtsps (often 322)';

/** Translates error codes of Node. */
function explained(error: Error, host: string, port: number): QcError {
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  const { code = '', message } = first as NodeJS.ErrnoException;
  const where = `${host}:${port}`;
  const made = (meant: ErrorCode, what: string, remedy?: string) =>
    new QcError(meant, what, { cause: error, ...(remedy !== undefined && { remedy }) });
  switch (code) {
    case 'ENOTFOUND':
      return made('camera-host-unknown', `the host name ${host} does not resolve`);
    case 'EAI_AGAIN':
      return made('camera-host-unknown', `the host name ${host} does not resolve: no name server answers`);
    case 'ECONNREFUSED':
      return made('camera-refused', `${where}: connection refused`);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENONET':
    case 'EADDRNOTAVAIL':
      return made('camera-unreachable', `no route to ${where} (${code})`);
    case 'EHOSTDOWN':
    case 'ETIMEDOUT':
      return made('camera-unreachable', `${where} does not answer (${code})`);
    case 'ECONNRESET':
    case 'EPIPE':
      return made('camera-refused', `${where} closed the connection at once`);
  }
  if (/^(ERR_SSL|ERR_TLS|EPROTO)/.test(code)) {
    const isPlain = /WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST|BAD_RECORD/.test(code + message);
    return isPlain
      ? made('camera-tls', `${where} does not speak TLS`, otherScheme)
      : made('camera-tls', `no TLS connection to ${where}: ${message}`);
  }
  return made('camera-unreachable', `no connection to ${where}: ${message || code}`);
}
