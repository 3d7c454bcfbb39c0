/** A Sparkplug host application: publishes STATE, receives the messages of edge nodes, requests rebirths. */
import { readFileSync } from 'node:fs';
import { connectAsync } from 'mqtt';
import tahu from 'sparkplug-payload/lib/sparkplugPayloadProto.js';
import { until } from './until.ts';

const { Payload } = tahu.org.eclipse.tahu.protobuf;

export interface DecodedMetric {
  readonly name: string | undefined;
  readonly hasAlias: boolean;
  /** Undefined if it was not sent. */
  readonly datatype: number | undefined;
  readonly timestamp: number | undefined;
  readonly isNull: boolean;
  readonly isHistorical: boolean;
  /** Name of the field of the value that is set; undefined for none. */
  readonly field: string | undefined;
  readonly value: unknown;
  readonly properties: readonly {
    key: string;
    type: number | undefined;
    field: string | undefined;
    value: unknown;
  }[];
  readonly keysAndValues: readonly [number, number];
}

export interface Decoded {
  readonly timestamp: number | undefined;
  readonly seq: number | undefined;
  readonly metrics: readonly DecodedMetric[];
}

type Wire = Record<string, unknown> & { value?: string };
const sent = (of: object, key: string) =>
  Object.hasOwn(of, key) ? (of as Record<string, unknown>)[key] : undefined;
const number = (value: unknown) => (value === undefined ? undefined : Number(value));
const worth = (of: Wire) => {
  const value = of.value === undefined ? undefined : of[of.value];
  return of.value === 'longValue' ? Number(value) : value;
};

/** Distinguishes sent values from defaults. @throws Error if it is not a Sparkplug payload */
export function decode(payload: Uint8Array): Decoded {
  const decoded = Payload.decode(payload);
  return {
    timestamp: number(sent(decoded, 'timestamp')),
    seq: number(sent(decoded, 'seq')),
    metrics: decoded.metrics.map((metric) => {
      const set = (sent(metric, 'properties') ?? { keys: [], values: [] }) as {
        keys: string[];
        values: Wire[];
      };
      return {
        name: sent(metric, 'name') as string | undefined,
        hasAlias: sent(metric, 'alias') !== undefined,
        datatype: number(sent(metric, 'datatype')),
        timestamp: number(sent(metric, 'timestamp')),
        isNull: sent(metric, 'isNull') === true,
        isHistorical: sent(metric, 'isHistorical') === true,
        field: (metric as unknown as Wire).value,
        value: worth(metric as unknown as Wire),
        properties: set.keys.map((key, index) => ({
          key,
          type: number(sent(set.values[index] ?? {}, 'type')),
          field: set.values[index]?.value,
          value: worth(set.values[index] ?? {}),
        })),
        keysAndValues: [set.keys.length, set.values.length],
      };
    }),
  };
}

export interface SparkplugMessage extends Decoded {
  readonly topic: string;
  /** NBIRTH, DDATA, … */
  readonly type: string;
  readonly device: string | undefined;
  readonly qos: number;
  readonly retain: boolean;
}

export function readMessage(topic: string, payload: Buffer, qos: number, retain: boolean): SparkplugMessage {
  const [, , type = '', , device] = topic.split('/');
  return { topic, type, device, qos, retain, ...decode(payload) };
}

export interface SparkplugHost extends AsyncDisposable {
  /** Messages of edge nodes, oldest first. */
  readonly heard: readonly SparkplugMessage[];
  readonly connected: boolean;
  ofType(type: string, device?: string): readonly SparkplugMessage[];
  /** Waits for the n-th message of the type, counted from 1. */
  hears(type: string, n?: number, device?: string): Promise<SparkplugMessage>;
  /** Publishes its STATE, retained. */
  state(online: boolean, timestamp?: number): Promise<void>;
  requestRebirth(node: string): Promise<void>;
  publish(topic: string, payload: string | Buffer, retain?: boolean): Promise<void>;
}

/** Connects and subscribes; publishes its STATE only on request. */
export async function openSparkplugHost(url: string, id = 'scada', ca?: string): Promise<SparkplugHost> {
  const client = await connectAsync(url, {
    protocolVersion: 4,
    reconnectPeriod: 50,
    ...(ca !== undefined && { ca: readFileSync(ca) }),
  });
  client.on('error', () => undefined);
  const heard: SparkplugMessage[] = [];
  client.on('message', (topic, payload, { qos, retain }) => {
    if (topic.startsWith('spBv1.0/STATE/') || /\/[ND]CMD\//.test(topic)) return;
    heard.push(readMessage(topic, payload, qos, retain));
  });
  await client.subscribeAsync('spBv1.0/#', { qos: 1 });
  const ofType = (type: string, device?: string) =>
    heard.filter((one) => one.type === type && (device === undefined || one.device === device));
  const publish = async (topic: string, payload: string | Buffer, retain = false) => {
    await client.publishAsync(topic, payload, { qos: 1, retain });
  };
  return {
    heard,
    get connected() {
      return client.connected;
    },
    ofType,
    hears: (type, n = 1, device) =>
      until(() => ofType(type, device)[n - 1], {
        timeoutMs: 20_000,
        what: `${type} number ${n} ${device ?? ''}`,
      }),
    state: (online, timestamp = Date.now()) =>
      publish(`spBv1.0/STATE/${id}`, JSON.stringify({ online, timestamp }), true),
    requestRebirth: (node) => publish(commandTopic(node), command('Node Control/Rebirth', true)),
    publish,
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}

/** @param node its group and its id, such as `plant/press-1` */
export function commandTopic(node: string, device?: string): string {
  const [group, id] = node.split('/');
  return [
    'spBv1.0',
    group,
    device === undefined ? 'NCMD' : 'DCMD',
    id,
    ...(device === undefined ? [] : [device]),
  ].join('/');
}

export function command(name: string, value: boolean | string): Buffer {
  const written =
    typeof value === 'boolean' ? { datatype: 11, booleanValue: value } : { datatype: 12, stringValue: value };
  const timestamp = Date.now();
  return Buffer.from(Payload.encode({ timestamp, metrics: [{ name, timestamp, ...written }] }).finish());
}
