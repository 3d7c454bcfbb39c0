/** Connects to a broker, once. */
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { type IClientOptions, connect as openClient } from 'mqtt';
import { CertificateFault, readKeyPair } from '../../config/certificate.ts';
import { QcError } from '../../config/errors.ts';
import type { MqttConfig } from '../../config/schema.ts';
import { isVersionRefused, reasonOf, toBrokerError } from './broker-error.ts';
import { limitsOf } from './limits.ts';
import { type BrokerLink, linkOver } from './link.ts';

export type BrokerOptions = Pick<
  MqttConfig,
  'url' | 'protocol' | 'username' | 'password' | 'ca' | 'cert' | 'key' | 'keepaliveSeconds' | 'retain' | 'qos'
> & {
  readonly clientId: string;
  /** Last will: published by the broker when the connection is lost, by default retained. */
  readonly will?: Will | (() => Promise<Will>);
  /** Called when a CONNECT packet is sent with the newest will. */
  readonly onConnect?: () => void;
  /** Makes the broker publish the will also when the agent closes the connection (MQTT 5 §3.14.2.1, 0x04). */
  readonly willOnClose?: boolean;
};

export interface Will {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly retain?: boolean;
}

const connectTimeoutMs = 10_000;
/** Minimum time to wait for an acknowledgement, ms; otherwise two keepalive intervals. */
const minPatienceMs = 10_000;
/** Maximum packet size that we announce (MQTT 5 §3.1.2.11.4). */
const maxIncomingBytes = 262_144;

/**
 * Connects once. `auto` tries MQTT 5 and falls back to 3.1.1 (OASIS mqtt-v3.1.1) if the broker refuses the version, or
 * closes the connection as old brokers do.
 * @throws QcError broker-unreachable, broker-refused, broker-unauthorized, broker-tls…
 */
export async function connectBroker(options: BrokerOptions, signal: AbortSignal): Promise<BrokerLink> {
  const { protocol } = options;
  if (protocol !== 'auto') return connectAs(options, protocol, signal);
  try {
    return await connectAs(options, '5', signal);
  } catch (error) {
    if (!isVersionRefused(error)) throw error;
    return connectAs(options, '3.1.1', signal);
  }
}

/** If the broker refuses a retained will or its QoS, connects again with another will (MQTT 5 §3.2.2.3.4, §3.2.2.3.5). */
async function connectAs(
  options: BrokerOptions,
  version: '5' | '3.1.1',
  signal: AbortSignal,
): Promise<BrokerLink> {
  try {
    return await connectOnce(options, version, signal);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === 0x9a && options.retain) return connectAs({ ...options, retain: false }, version, signal);
    if (reason === 0x9b && options.qos > 0) return connectAs({ ...options, qos: 0 }, version, signal);
    throw error;
  }
}

async function connectOnce(
  options: BrokerOptions,
  version: '5' | '3.1.1',
  signal: AbortSignal,
): Promise<BrokerLink> {
  const { where, clientOptions } = await clientOptionsFor(options, version);
  signal.throwIfAborted();
  const client = openClient(clientOptions);
  // Nagle's algorithm would delay a small packet by up to 40 ms, until the broker's kernel acknowledges the previous one.
  if (client.stream instanceof Socket) client.stream.setNoDelay();
  client.stream.once(clientOptions.protocol === 'mqtts' ? 'secureConnect' : 'connect', () =>
    options.onConnect?.(),
  );
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: unknown) => {
      client.off('connect', connected).off('error', settle).off('close', closedEarly);
      signal.removeEventListener('abort', aborted);
      if (error === undefined) return resolve();
      // A late error of the closed socket must not become an uncaught error.
      client.on('error', () => undefined);
      client.end(true);
      reject(error);
    };
    const connected = () => settle();
    const closedEarly = () => settle(new Error('hung up'));
    const aborted = () => settle(signal.reason);
    client.on('connect', connected).on('error', settle).on('close', closedEarly);
    signal.addEventListener('abort', aborted);
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw toBrokerError(error, where, 'connecting');
  });
  return linkOver(client, {
    version,
    where,
    limits: limitsOf(client, options),
    willOnClose: options.willOnClose === true,
    patienceMs: Math.max(minPatienceMs, 2_000 * options.keepaliveSeconds),
  });
}

async function clientOptionsFor(options: BrokerOptions, version: '5' | '3.1.1') {
  const url = new URL(options.url);
  const secure = url.protocol === 'mqtts:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (secure ? 8883 : 1883));
  const will = typeof options.will === 'function' ? await options.will() : options.will;
  const username = options.username ?? (url.username ? decodeURIComponent(url.username) : undefined);
  const clientOptions: IClientOptions = {
    protocol: secure ? 'mqtts' : 'mqtt',
    host,
    port,
    clientId: options.clientId,
    protocolId: 'MQTT',
    protocolVersion: version === '5' ? 5 : 4,
    // No session at the broker: commands from the time without a connection are stale, and our own messages wait in the
    // outbox.
    clean: true,
    keepalive: options.keepaliveSeconds,
    // Sent data does not prove that data can be received: always ping, or a half-open connection is not detected.
    reschedulePings: false,
    // The caller retries, with back-off.
    reconnectPeriod: 0,
    connectTimeout: connectTimeoutMs,
    ...(will && {
      will: {
        topic: will.topic,
        payload: Buffer.from(will.payload),
        qos: options.qos,
        retain: options.retain && (will.retain ?? true),
      },
    }),
    ...(username !== undefined && { username }),
    ...(options.password !== undefined && { password: options.password }),
    ...(version === '5' && { properties: { maximumPacketSize: maxIncomingBytes } }),
    ...(secure && (await tlsFiles(options))),
  };
  return { where: `${host}:${port}`, clientOptions };
}

/** Read at each attempt, because certificates are renewed while the agent runs. */
async function tlsFiles({
  ca,
  cert,
  key,
}: BrokerOptions): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer }> {
  const authority = ca === undefined ? {} : { ca: await readAuthority(ca) };
  if (cert === undefined || key === undefined) return authority;
  try {
    const own = await readKeyPair({ cert, key });
    return { ...authority, cert: own.cert, key: own.key };
  } catch (error) {
    if (!(error instanceof CertificateFault)) throw error;
    throw new QcError('broker-tls-client', `mqtt.${error.at}: ${error.message}`, { cause: error });
  }
}

async function readAuthority(file: string): Promise<Buffer> {
  const pem = await readFile(file).catch((cause: unknown) => {
    throw new QcError('broker-tls', `mqtt.ca: ${file} cannot be read`, { cause });
  });
  // OpenSSL silently skips unknown content and would then trust no certificate.
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new QcError('broker-tls', `mqtt.ca: ${file} contains no certificate in PEM format`);
}
