/** An MQTT client that receives all messages, like a PLC or a SCADA system. */
import { readFileSync } from 'node:fs';
import { connectAsync, type IClientOptions, type IClientPublishOptions } from 'mqtt';
import { until } from './until.ts';

export interface Heard {
  readonly topic: string;
  readonly retained: boolean;
  readonly qos: number;
  readonly correlation: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into JSON of every kind
  readonly json: any;
}

export interface Probe extends AsyncDisposable {
  readonly heard: readonly Heard[];
  on(topic: string): readonly Heard[];
  /** Waits for the n-th message on the topic, counted from 1. */
  hears(topic: string, n?: number): Promise<Heard>;
  publish(topic: string, payload: unknown, options?: IClientPublishOptions): Promise<void>;
}

export async function openProbe(
  url: string,
  { version = 4, ca, ...login }: { version?: 4 | 5; ca?: string; username?: string; password?: string } = {},
): Promise<Probe> {
  const options: IClientOptions = {
    protocolVersion: version,
    reconnectPeriod: 100,
    ...login,
    ...(ca !== undefined && { ca: readFileSync(ca) }),
  };
  const client = await connectAsync(url, options);
  const heard: Heard[] = [];
  client.on('error', () => undefined);
  client.on('message', (topic, payload, packet) => {
    const text = payload.toString();
    heard.push({
      topic,
      retained: packet.retain,
      qos: packet.qos,
      correlation: packet.properties?.correlationData?.toString(),
      get json() {
        return JSON.parse(text);
      },
    });
  });
  await client.subscribeAsync('#', { qos: 1 });
  const on = (topic: string) => heard.filter((message) => message.topic === topic);
  return {
    heard,
    on,
    hears: (topic, n = 1) => until(() => on(topic)[n - 1], { what: `message ${n} on ${topic}` }),
    async publish(topic, payload, publishOptions = {}) {
      const body =
        typeof payload === 'string' || payload instanceof Buffer ? payload : JSON.stringify(payload);
      await client.publishAsync(topic, body, { qos: 1, ...publishOptions });
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
