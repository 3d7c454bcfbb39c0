/** What an agent that is measured publishes, as a subscriber has it. */
import mqtt, { type MqttClient } from 'mqtt';
import type { Result } from '../publish/messages.ts';

export interface Arrived {
  readonly result: Result;
  /** When the subscriber had it, ms since the epoch. */
  readonly at: number;
}

export interface Results {
  /** As they came, oldest first. */
  readonly arrived: readonly Arrived[];
  /** Subscribed to the results of all cameras. */
  readonly client: MqttClient;
}

/** Subscribes to `<topic>/+/result`; ending the client ends it. */
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

/** Of these cameras, those of which no part has been judged yet. */
export const unjudged = (arrived: readonly Arrived[], cameras: readonly string[]): string[] =>
  cameras.filter(
    (name) => !arrived.some(({ result }) => result.camera === name && result.state === 'completed'),
  );
