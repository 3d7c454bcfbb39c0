/** One connection to a broker: opened once, used until it is lost. The only importer of mqtt.js. */
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type IClientOptions, type IPublishPacket, type MqttClient, connect as openClient } from 'mqtt';
import { CertificateFault, readKeyPair } from '../../config/certificate.ts';
import { QcError } from '../../config/errors.ts';
import type { MqttConfig } from '../../config/schema.ts';
import { isVersionRefused, toBrokerError } from './broker-error.ts';

export type BrokerOptions = Pick<
  MqttConfig,
  'url' | 'protocol' | 'username' | 'password' | 'ca' | 'cert' | 'key' | 'keepaliveSeconds'
> & {
  readonly clientId: string;
  /** Published by the broker, retained unless it says otherwise, when the connection is lost. */
  readonly will: Will | (() => Promise<Will>);
  /** Told when a CONNECT packet goes out with the will that was asked for last. */
  readonly onConnect?: () => void;
  /** Has the broker send the will also when the connection is closed here (MQTT 5 §3.14.2.1, 0x04). */
  readonly willOnClose?: boolean;
};

export interface Will {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly retain?: boolean;
}

export interface BrokerLink extends AsyncDisposable {
  readonly version: '5' | '3.1.1';
  /** QoS 1 messages the broker takes unacknowledged (MQTT 5 §3.3.4); 65,535 before version 5. */
  readonly receiveMaximum: number;
  /** Until when the broker's certificate is valid; undefined without TLS. */
  readonly certificateValidTo: Date | undefined;
  /**
   * Resolves with the PUBACK of a QoS 1 publish, or once a QoS 0 one is written; rejects when refused or
   * when the link is lost. Text is JSON.
   */
  publish(topic: string, payload: string | Buffer, options?: PublishOptions): Promise<void>;
  /** Resolves with the SUBACK. Retained messages arrive marked as such. To be called once. */
  subscribe(filters: string | string[], onMessage: (message: Incoming) => void): Promise<void>;
  /**
   * Resolves once the broker has read all that was sent before, QoS 0 included: it answers a ping after it,
   * since a connection is read in order (MQTT 3.1.1 §3.12, §4.2).
   */
  confirm(): Promise<void>;
  /** Told once when the connection ends by anything but closing it here. */
  onLost(listener: (error: QcError) => void): void;
  /** Cuts the connection without a goodbye: the broker sends the will. */
  cut(): void;
}

export interface PublishOptions {
  /** Default 1. */
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
  /** MQTT 5 §3.3.2.3.6, handed back as it came; needs a version 5 link. */
  readonly correlationData?: Buffer;
}

export interface Incoming {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retained: boolean;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
}

const connectTimeoutMs = 10_000;
const closeTimeoutMs = 1_000;
/** A message waits for its acknowledgement for two keepalives, and at least for so long, ms. */
const leastPatienceMs = 10_000;
/** A larger packet is not sent to us (MQTT 5 §3.1.2.11.4). */
const maxIncomingBytes = 262_144;

/**
 * Connects once. `auto` tries MQTT 5 and falls back to 3.1.1 (OASIS mqtt-v3.1.1) where the broker refuses
 * the version, or hangs up on it as old brokers do.
 * @throws QcError broker-unreachable, broker-refused, broker-unauthorized, broker-tls…
 */
export async function connectBroker(options: BrokerOptions, signal: AbortSignal): Promise<BrokerLink> {
  const { protocol } = options;
  if (protocol !== 'auto') return connectOnce(options, protocol, signal);
  try {
    return await connectOnce(options, '5', signal);
  } catch (error) {
    if (!isVersionRefused(error)) throw error;
    return connectOnce(options, '3.1.1', signal);
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
  // Nagle's algorithm would hold a small packet back until the broker's kernel acknowledges the one before: 40 ms.
  if (client.stream instanceof Socket) client.stream.setNoDelay();
  client.stream.once(clientOptions.protocol === 'mqtts' ? 'secureConnect' : 'connect', () =>
    options.onConnect?.(),
  );
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: unknown) => {
      client.off('connect', connected).off('error', settle).off('close', hungUp);
      signal.removeEventListener('abort', aborted);
      if (error === undefined) return resolve();
      // What the dying socket still has to say must not become an uncaught error.
      client.on('error', () => undefined);
      client.end(true);
      reject(error);
    };
    const connected = () => settle();
    const hungUp = () => settle(new Error('hung up'));
    const aborted = () => settle(signal.reason);
    client.on('connect', connected).on('error', settle).on('close', hungUp);
    signal.addEventListener('abort', aborted);
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw toBrokerError(error, where, 'connecting');
  });
  return linkOver(client, version, where, {
    willOnClose: options.willOnClose === true,
    patienceMs: Math.max(leastPatienceMs, 2_000 * options.keepaliveSeconds),
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
    // No session at the broker: commands sent while we were away are stale, and our own messages wait here.
    clean: true,
    keepalive: options.keepaliveSeconds,
    // Data on its way out says nothing about the way back: always ping, or a half-open link goes unnoticed.
    reschedulePings: false,
    // Retrying is done elsewhere, with back-off.
    reconnectPeriod: 0,
    connectTimeout: connectTimeoutMs,
    will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: will.retain ?? true },
    ...(username !== undefined && { username }),
    ...(options.password !== undefined && { password: options.password }),
    ...(version === '5' && { properties: { maximumPacketSize: maxIncomingBytes } }),
    ...(secure && (await tlsFiles(options))),
  };
  return { where: `${host}:${port}`, clientOptions };
}

/** Read at every attempt: certificates are renewed while the agent runs. */
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
  // OpenSSL passes over what it does not know, and would then trust nobody without saying so.
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new QcError('broker-tls', `mqtt.ca: ${file} holds no certificate in PEM form`);
}

function linkOver(
  client: MqttClient,
  version: '5' | '3.1.1',
  where: string,
  { willOnClose, patienceMs }: { readonly willOnClose: boolean; readonly patienceMs: number },
): BrokerLink {
  /** What waits for an acknowledgement, the oldest first, and since when. */
  const pending = new Map<(error: QcError) => void, number>();
  const listeners: ((error: QcError) => void)[] = [];
  let lost: QcError | undefined;
  let closing = false;

  const lose = (cause: unknown) => {
    if (lost) return;
    lost = toBrokerError(cause, where, 'connected');
    clearInterval(watch);
    for (const reject of pending.keys()) reject(lost);
    pending.clear();
    client.stream.destroy();
    if (!closing) for (const listener of listeners) listener(lost);
  };
  // A broker that answers pings and forgets a message would keep a place in the window for ever, and what waits with it.
  const watch = setInterval(() => {
    const [oldest = Number.POSITIVE_INFINITY] = pending.values();
    if (performance.now() - oldest > patienceMs) {
      lose(new Error(`a message was not acknowledged within ${patienceMs / 1000} s`));
    }
  }, 1_000);
  watch.unref();
  client.on('disconnect', (packet) => lose({ code: packet.reasonCode, disconnect: true }));
  client.on('error', lose);
  client.on('close', () => lose(new Error('hung up')));

  const pings = createPings(client);

  /** Settles with the broker's acknowledgement, or with the loss of the link. */
  const acknowledged = (start: (done: (error?: unknown) => void) => void) =>
    new Promise<void>((resolve, reject) => {
      if (lost) return reject(lost);
      pending.set(reject, performance.now());
      start((error) => {
        if (!pending.delete(reject)) return;
        if (error) reject(toBrokerError(error, where, 'connected'));
        else resolve();
      });
    });

  return {
    version,
    receiveMaximum: client.serverProperties?.receiveMaximum ?? 65_535,
    certificateValidTo: validToOf(client),
    publish(topic, payload, { qos = 1, retain = false, correlationData } = {}) {
      const properties = {
        ...(typeof payload === 'string' && { contentType: 'application/json', payloadFormatIndicator: true }),
        ...(correlationData && { correlationData }),
      };
      return acknowledged((done) => client.publish(topic, payload, { qos, retain, properties }, done));
    },
    confirm: () => acknowledged(pings.next),
    subscribe(filters, onMessage) {
      client.on('message', (topic, payload, packet) => onMessage(incoming(topic, payload, packet)));
      // rap, MQTT 5 §3.8.3.1: see the retain flag also on what is published while we are subscribed.
      return acknowledged((done) => client.subscribe(filters, { qos: 1, rap: true }, done));
    },
    onLost(listener) {
      if (lost) listener(lost);
      else listeners.push(listener);
    },
    cut() {
      client.stream.destroy();
    },
    async [Symbol.asyncDispose]() {
      closing = true;
      clearInterval(watch);
      if (lost) {
        client.end(true);
        return;
      }
      // DISCONNECT tells the broker not to send the will; a broker that never hangs up is cut off.
      const timer = setTimeout(() => client.stream.destroy(), closeTimeoutMs);
      await new Promise<void>((resolve) => {
        client.stream.once('close', () => resolve());
        client.end(pending.size > 0, willOnClose && version === '5' ? { reasonCode: 0x04 } : {});
      });
      clearTimeout(timer);
    },
  };
}

function validToOf({ stream }: MqttClient): Date | undefined {
  if (!(stream instanceof TLSSocket)) return undefined;
  const validTo = stream.getPeerX509Certificate()?.validTo;
  return validTo === undefined ? undefined : new Date(validTo);
}

/** Pings are answered in order, also those that keep the connection alive. */
function createPings(client: MqttClient): { next(answered: () => void): void } {
  const waiting: (() => void)[][] = [];
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'pingreq') waiting.push([]);
  });
  client.on('packetreceive', ({ cmd }) => {
    if (cmd === 'pingresp') for (const answered of waiting.shift() ?? []) answered();
  });
  return {
    next(answered) {
      const before = waiting.length;
      client.sendPing();
      // Nothing is sent, and so nothing answered, over a link that is being lost.
      if (waiting.length > before) waiting.at(-1)!.push(answered);
    },
  };
}

function incoming(topic: string, payload: Buffer, packet: IPublishPacket): Incoming {
  const { responseTopic, correlationData } = packet.properties ?? {};
  return {
    topic,
    payload,
    retained: packet.retain,
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData }),
  };
}
