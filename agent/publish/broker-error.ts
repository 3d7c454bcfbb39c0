/** Translates errors of sockets, TLS and the broker to the codes of `config/errors.ts`. */
import { type ErrorCode, QcError } from '../../config/errors.ts';

/** CONNACK of MQTT 3.1.1 §3.2.2.3 (1 to 5) and reason codes of MQTT 5 §2.4 (128 on). */
const reasons: Readonly<Record<number, string>> = {
  1: 'unacceptable protocol version',
  2: 'client identifier rejected',
  3: 'server unavailable',
  4: 'bad user name or password',
  5: 'not authorized',
  129: 'malformed packet',
  130: 'protocol error',
  132: 'unsupported protocol version',
  133: 'client identifier not valid',
  134: 'bad user name or password',
  135: 'not authorized',
  136: 'server unavailable',
  137: 'server busy',
  138: 'banned',
  139: 'server shutting down',
  140: 'bad authentication method',
  141: 'keep alive timeout',
  142: 'session taken over',
  144: 'topic name invalid',
  149: 'packet too large',
  150: 'message rate too high',
  151: 'quota exceeded',
  152: 'administrative action',
  153: 'payload format invalid',
  154: 'retain not supported',
  155: 'QoS not supported',
};
const unauthorized = new Set([4, 5, 134, 135, 138, 140]);
const versionRefused = new Set([1, 132]);
/** Socket errors which mean that the other side has closed the connection. */
const closedCodes: readonly unknown[] = ['ECONNRESET', 'EPIPE'];

interface BrokerErrorCause {
  /** MQTT reason code, if the broker sent one. */
  readonly reason?: number;
  readonly closedEarly: boolean;
  readonly when: 'connecting' | 'connected';
  readonly closed: boolean;
}
const causes = new WeakMap<QcError, BrokerErrorCause>();

/**
 * @param where host and port, never with a user or password
 * @param a closed connection means something else before the broker's first answer than after it
 */
export function toBrokerError(error: unknown, where: string, when: 'connecting' | 'connected'): QcError {
  if (error instanceof QcError) return error;
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string };
  const made =
    typeof code === 'number' ? fromReason(code, where, when) : fromSocket(code, message, where, when);
  causes.set(made, {
    ...(typeof code === 'number' && { reason: code }),
    closedEarly: message === 'hung up',
    when,
    closed: message === 'hung up' || closedCodes.includes(code),
  });
  return made;
}

function fromReason(reason: number, where: string, when: 'connecting' | 'connected'): QcError {
  const what = reasons[reason] ?? `reason ${reason}`;
  if (reason === 142) {
    return new QcError('broker-client-taken', `broker ${where} ended the connection: ${what}`);
  }
  if (when === 'connecting' && unauthorized.has(reason)) {
    return new QcError('broker-unauthorized', `broker ${where} rejects the log-in: ${what}`);
  }
  if (versionRefused.has(reason)) {
    const remedy = 'set mqtt.protocol to auto, or to the version that the broker supports';
    return new QcError('broker-refused', `broker ${where} refused the connection: ${what}`, { remedy });
  }
  if (when === 'connected' && (reason === 0 || reason === 139 || reason === 141)) {
    return new QcError('broker-lost', `broker ${where} ended the connection: ${what}`);
  }
  const did = when === 'connected' ? 'ended the connection' : 'refused the connection';
  return new QcError('broker-refused', `broker ${where} ${did}: ${what}`);
}

function fromSocket(
  code: unknown,
  message: string,
  where: string,
  when: 'connecting' | 'connected',
): QcError {
  const what = message === 'hung up' ? 'the connection was closed' : message || String(code);
  const tls = typeof code === 'string' ? tlsCodeOf(code) : undefined;
  if (tls || message === 'TLS not authorized') {
    return new QcError(tls ?? 'broker-tls', `no trusted connection to broker ${where}: ${what}`);
  }
  if (when === 'connected') return new QcError('broker-lost', `connection to broker ${where} lost: ${what}`);
  const aggregate = typeof code === 'string' && message === '' ? code : what;
  if (message === 'hung up') {
    const remedy =
      'check scheme, port and client id in mqtt; for a broker without retained messages set mqtt.retain: false, without QoS 1 mqtt.qos: 0 (docs/brokers.md)';
    return new QcError('broker-unreachable', `broker ${where} closes the connection`, { remedy });
  }
  return new QcError('broker-unreachable', `broker ${where} cannot be reached: ${aggregate}`);
}

/** Alerts by which a broker rejects our certificate or a missing one (RFC 8446 §6.2). */
const clientAlert =
  /^ERR_SSL_(TLSV1|TLSV13|SSLV3|SSL|TLS)_ALERT_(CERTIFICATE_|BAD_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE)/;
const untrusted =
  /^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_SIGNATURE_FAILURE|CERT_UNTRUSTED|CERT_REJECTED|INVALID_CA|CERT_CHAIN_TOO_LONG|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|CERT_REVOKED)/;

/** The kind of TLS fault, by the codes of Node (tls, "X509 certificate error codes") and OpenSSL. */
function tlsCodeOf(code: string): ErrorCode | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') return 'broker-tls-name';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'broker-tls-expired';
  if (untrusted.test(code)) return 'broker-tls-untrusted';
  if (clientAlert.test(code)) return 'broker-tls-client';
  return /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|EPROTO)/.test(code) ? 'broker-tls' : undefined;
}

/** Whether an older protocol version is worth a try. */
export function isVersionRefused(error: unknown): boolean {
  const cause = error instanceof QcError ? causes.get(error) : undefined;
  return cause !== undefined && (versionRefused.has(cause.reason ?? -1) || cause.closedEarly);
}

/** The reason code that the broker sent, if any. */
export function reasonOf(error: unknown): number | undefined {
  return error instanceof QcError ? causes.get(error)?.reason : undefined;
}

/** Whether the broker closed the connection (instead of a network failure). */
export function isClosed(error: unknown): boolean {
  return error instanceof QcError && causes.get(error)?.closed === true;
}

/** Whether the broker refused the log-in, which fails the same way until the credentials change. */
export function isLoginRefused(error: unknown): error is QcError {
  if (!(error instanceof QcError) || error.code !== 'broker-unauthorized') return false;
  return causes.get(error)?.when === 'connecting';
}
