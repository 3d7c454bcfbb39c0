/** An open connection to a broker: sends messages, receives acknowledgements and messages, until it is lost. */
import { setImmediate as thisTurn } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { IPublishPacket, MqttClient } from 'mqtt';
import { QcError } from '../../config/errors.ts';
import { toBrokerError } from './broker-error.ts';
import { type BrokerLimits, publishBytes } from './limits.ts';
import { toRefusal } from './refusal.ts';

export interface BrokerLink extends AsyncDisposable {
  readonly version: '5' | '3.1.1';
  readonly limits: BrokerLimits;
  /** Expiry of the broker's certificate; undefined without TLS. */
  readonly certificateValidTo: Date | undefined;
  /**
   * Publishes with QoS 1, or with QoS 0 if nothing else is possible, and resolves once the broker has the message: with its
   * PUBACK, or with the answer to a ping sent after it. A message that exceeds the broker's limits is not sent.
   * @throws QcError broker-message-refused, broker-topic-refused: only this message failed; any other error: the link is
   * lost
   */
  publish(topic: string, payload: string | Buffer, options?: PublishOptions): Promise<void>;
  /** Publishes with QoS 0 and resolves once the message is written, without confirmation by the broker. */
  write(topic: string, payload: Buffer): Promise<void>;
  /**
   * Tests whether the broker accepts this message without delivering it: sends it with QoS 2 and cuts the connection
   * instead of releasing it (MQTT 5 §4.3.3). A broker that delivers on PUBLISH instead of PUBREL delivers it nevertheless.
   * @throws QcError broker-topic-refused; any other error: the broker ended the connection
   */
  offer(topic: string, payload: string): Promise<void>;
  /** Why `write` cannot send this; undefined if it can. */
  obstacle(topic: string, payload: Buffer): QcError | undefined;
  /** Bytes of the packet that `publish` would send. */
  bytes(topic: string, payload: string | Buffer, options?: PublishOptions): number;
  /**
   * Resolves with the SUBACK, or after a time-out: with the error of each refused filter. Retained messages are marked as
   * such.
   */
  subscribe(filters: readonly string[]): Promise<ReadonlyMap<string, QcError>>;
  /** Sets the listener for messages of all subscriptions. */
  onMessage(listener: (message: Incoming) => void): void;
  /**
   * Resolves once the broker has read everything sent before, including QoS 0: a broker reads a connection in order, so it
   * answers a ping only after that (MQTT 3.1.1 §3.12, §4.2). Calls in one turn of the event loop share one ping.
   */
  confirm(): Promise<void>;
  /** Called once when the connection ends for any reason except `close`, before pending calls are rejected. */
  onLost(listener: (error: QcError) => void): void;
  /** Cuts the connection without DISCONNECT: the broker publishes the will. */
  cut(): void;
}

export interface PublishOptions {
  readonly retain?: boolean;
  /** MQTT 5 §3.3.2.3.6, returned unchanged; only on a version 5 link. */
  readonly correlationData?: Buffer;
}

export interface Incoming {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retained: boolean;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
}

export interface LinkOptions {
  readonly version: '5' | '3.1.1';
  /** Host and port, for messages. */
  readonly where: string;
  readonly limits: BrokerLimits;
  readonly willOnClose: boolean;
  /** Maximum time until an acknowledgement, ms. */
  readonly patienceMs: number;
}

const closeTimeoutMs = 1_000;
/** Maximum time until a SUBACK, ms; a broker that ignores a subscription can still accept messages. */
const subackMs = 10_000;

export function linkOver(
  client: MqttClient,
  { version, where, limits, willOnClose, patienceMs }: LinkOptions,
): BrokerLink {
  /** Unacknowledged messages with their send time, oldest first. */
  const pending = new Map<(error: QcError) => void, number>();
  const listeners: ((error: QcError) => void)[] = [];
  let lost: QcError | undefined;
  let closing = false;

  const lose = (cause: unknown) => {
    if (lost) return;
    lost = toBrokerError(cause, where, 'connected');
    clearInterval(watch);
    if (!closing) for (const listener of listeners) listener(lost);
    for (const reject of pending.keys()) reject(lost);
    pending.clear();
    client.stream.destroy();
  };
  // A broker that answers pings but forgets a message would block a place in the window forever.
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

  /** Settles with the broker's acknowledgement or the loss of the link. */
  const acknowledged = (start: (done: (error?: unknown) => void) => void, topic?: string) =>
    new Promise<void>((resolve, reject) => {
      if (lost) return reject(lost);
      pending.set(reject, performance.now());
      start((error) => {
        if (!pending.delete(reject)) return;
        if (!error) return resolve();
        const refusal = topic === undefined ? undefined : toRefusal(error, where, topic);
        reject(refusal ?? toBrokerError(error, where, 'connected'));
      });
    });

  const propertiesOf = (payload: string | Buffer, { correlationData }: PublishOptions) => ({
    ...(typeof payload === 'string' && { contentType: 'application/json', payloadFormatIndicator: true }),
    ...(correlationData && { correlationData }),
  });
  const bytes: BrokerLink['bytes'] = (topic, payload, options = {}) => {
    const qos = limits.maximumQos;
    return publishBytes({ topic, payload, qos, version, ...propertiesOf(payload, options) });
  };
  const tooLarge = (topic: string, payload: string | Buffer, qos: 0 | 1, options: PublishOptions) => {
    const size = publishBytes({ topic, payload, qos, version, ...propertiesOf(payload, options) });
    if (size <= limits.maximumPacketSize) return undefined;
    const error = { code: 149, message: `${size} bytes, at most ${limits.maximumPacketSize}` };
    return toRefusal(error, where, topic);
  };
  const put = (topic: string, payload: string | Buffer, qos: 0 | 1, options: PublishOptions) => {
    const refusal = tooLarge(topic, payload, qos, options);
    if (refusal) return Promise.reject(refusal);
    const retain = options.retain === true && limits.retain;
    const properties = propertiesOf(payload, options);
    return acknowledged((done) => client.publish(topic, payload, { qos, retain, properties }, done), topic);
  };

  let nextConfirm: Promise<void> | undefined;
  const confirm = () => {
    nextConfirm ??= thisTurn().then(() => {
      nextConfirm = undefined;
      return acknowledged(pings.next);
    });
    return nextConfirm;
  };

  return {
    version,
    limits,
    certificateValidTo: validToOf(client),
    bytes,
    async publish(topic, payload, options = {}) {
      await put(topic, payload, limits.maximumQos, options);
      if (limits.maximumQos === 0) await confirm();
    },
    offer: (topic, payload) =>
      acknowledged((done) => {
        // Called for each packet before the client answers it.
        client.on('packetreceive', (packet) => {
          if (packet.cmd !== 'pubrec' || (packet.reasonCode ?? 0) >= 0x80) return;
          done();
          client.stream.destroy();
        });
        client.publish(topic, payload, { qos: 2, properties: propertiesOf(payload, {}) }, done);
      }, topic),
    obstacle: (topic, payload) => tooLarge(topic, payload, 0, {}),
    write: (topic, payload) => put(topic, payload, 0, {}),
    confirm,
    subscribe: (filters) =>
      new Promise((resolve, reject) => {
        if (lost) return reject(lost);
        const refused = (error: unknown) => {
          const why = (filter: string) =>
            toRefusal(error, where, filter, 'subscription') ??
            new QcError(
              'broker-subscription-refused',
              `broker ${where} does not answer the subscription to ${filter}`,
            );
          return new Map(filters.map((filter) => [filter, why(filter)]));
        };
        const late = setTimeout(() => resolve(refused(undefined)), subackMs);
        listeners.push((error) => {
          clearTimeout(late);
          reject(error);
        });
        // rap (MQTT 5 §3.8.3.1): keeps the retain flag of messages that are published while we are subscribed.
        const options = { qos: limits.maximumQos, rap: true } as const;
        client.subscribe([...filters], options, (error, _granted, packet) => {
          clearTimeout(late);
          if (!error) return resolve(new Map());
          const codes = (packet ?? (error as { packet?: typeof packet }).packet)?.granted as
            | number[]
            | undefined;
          if (!codes) return;
          const all = filters.map((filter, i) => [
            filter,
            toRefusal({ code: codes[i] }, where, filter, 'subscription'),
          ]);
          resolve(new Map(all.filter((one): one is [string, QcError] => one[1] !== undefined)));
        });
      }),
    onMessage(listener) {
      client.on('message', (topic, payload, packet) => listener(incoming(topic, payload, packet)));
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
      // After DISCONNECT the broker does not publish the will; if it does not close the connection, we do.
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

/** Pings are answered in order, including keep-alive pings. */
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
      // Nothing is sent or answered over a link that is being lost.
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
