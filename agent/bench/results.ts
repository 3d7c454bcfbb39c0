/** Results of the measured agent as received by a subscriber. */
import mqtt, { type MqttClient } from 'mqtt';
import type { Result } from '../publish/messages.ts';

export interface Arrived {
  readonly result: Result;
  /** When the subscriber received it, ms since the epoch. */
  readonly at: number;
}

export interface Results {
  /** In order of arrival, oldest first. */
  readonly arrived: readonly Arrived[];
  /** A subscription to the results of all cameras. */
  readonly client: MqttClient;
}

/** Subscribes to `<topic>/+/result`; it ends with the client. */
export async function subscribeToResults(broker: string, topic: string): Promise<Results> {
  const arrived: Arrived[] = [];
  const client = await mqtt.connectAsync(broker, { reconnectPeriod: 0 });
  client.on('message', (_topic, payload) => {
    const at = Date.now();
    arrived.push({ result: JSON.parse(payload.toString()) as Result, at });
  });
  await client.subscribeAsync(`${topic}/+/result`, { qos: 1 });
  return { arrived, client };
}

/** Those of the cameras without any judged part. */
export const unjudged = (arrived: readonly Arrived[], cameras: readonly string[]): string[] =>
  cameras.filter(
    (name) => !arrived.some(({ result }) => result.camera === name && result.state === 'completed'),
  );
