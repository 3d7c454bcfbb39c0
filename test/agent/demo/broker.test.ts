import mqtt from 'mqtt';
import { expect, test } from 'vitest';
import { openBroker } from '../../../agent/demo/broker.ts';
import { until } from '../../rigs/until.ts';

const connect = (url: string) => mqtt.connectAsync(url, { reconnectPeriod: 20, protocolVersion: 4 });

test('carries messages, and keeps retained ones', async () => {
  await using broker = await openBroker();
  const sender = await connect(broker.url);
  await sender.publishAsync('line/status', 'up', { qos: 1, retain: true });
  const receiver = await connect(broker.url);
  const seen: string[] = [];
  receiver.on('message', (topic, payload, { retain }) => seen.push(`${topic} ${payload} ${retain}`));
  await receiver.subscribeAsync('line/#', { qos: 1 });
  await until(() => seen.includes('line/status up true'), { what: 'the retained message' });
  expect(broker.clients).toBe(2);
  await Promise.all([sender.endAsync(true), receiver.endAsync(true)]);
});

test('sends the last will of a client that it disconnects', async () => {
  await using broker = await openBroker();
  const watcher = await connect(broker.url);
  const seen: string[] = [];
  watcher.on('message', (_, payload) => seen.push(payload.toString()));
  await watcher.subscribeAsync('will', { qos: 1 });
  const doomed = await mqtt.connectAsync(broker.url, {
    reconnectPeriod: 0,
    protocolVersion: 4,
    will: { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: true },
  });
  doomed.stream.destroy();
  await until(() => seen.includes('gone'), { what: 'the last will' });
  await Promise.all([watcher.endAsync(true), doomed.endAsync(true)]);
});

test('clients come back after being disconnected, and after a stop and start on the same port', async () => {
  await using broker = await openBroker();
  const { url } = broker;
  const client = await connect(url);
  let connects = 0;
  client.on('connect', () => connects++);
  broker.disconnectAll();
  await until(() => connects === 1, { what: 'the first return' });
  await broker.stop();
  await until(() => !client.connected, { what: 'the broker gone' });
  await expect(mqtt.connectAsync(url, { reconnectPeriod: 0, connectTimeout: 500 })).rejects.toThrow();
  await broker.start();
  expect(broker.url).toBe(url);
  await until(() => connects === 2, { what: 'the second return' });
  await client.endAsync(true);
});
