import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { openBroker } from '../../../agent/demo/broker.ts';
import { checkBroker } from '../../../agent/doctor/broker.ts';
import type { Finding } from '../../../agent/doctor/finding.ts';
import { checkWithin } from '../../../agent/doctor/within.ts';
import { type MqttConfig, mqttSchema } from '../../../config/schema.ts';
import { freePort } from '../../rigs/free-port.ts';
import { mosquittoMissing, startMosquitto } from '../../rigs/mosquitto.ts';
import { openProbe } from '../../rigs/mqtt-probe.ts';
import { base, openPublisherRig } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';

if (mosquittoMissing) console.warn(`doctor: brokers of others skipped, ${mosquittoMissing}`);

function check(settings: Partial<MqttConfig>, timeoutMs = 10_000): Promise<Finding[]> {
  const { url, ...rest } = settings;
  const config = { ...mqttSchema.parse({ url }), topic: base, clientId: 'qc-press-3', ...rest };
  const limits = { timeoutMs, late: 'broker-unreachable', signal: new AbortController().signal } as const;
  return checkWithin('broker', limits, (signal) => checkBroker(config, signal));
}

it('sends a message there and back, beside a running agent, and leaves nothing', async () => {
  await using broker = await openBroker();
  await using agent = await openPublisherRig({ url: broker.url });
  await until(() => agent.publisher.connected);
  await using probe = await openProbe(broker.url);
  await probe.hears(`${base}/status`);
  const [finding] = await check({ url: broker.url });
  expect(finding).toMatchObject({
    level: 'ok',
    detail: expect.stringMatching(/MQTT 3\.1\.1, a message went/),
  });
  expect(agent.publisher.connected).toBe(true);
  expect(probe.heard.map(({ topic, retained }) => ({ topic, retained }))).toEqual([
    { topic: `${base}/status`, retained: true },
    { topic: expect.stringMatching(new RegExp(`^${base}/doctor/[0-9a-f]{8}$`)), retained: false },
  ]);
});

it('says that nobody listens', async () => {
  const [finding] = await check({ url: `mqtt://127.0.0.1:${await freePort()}` });
  expect(finding).toMatchObject({
    level: 'fail',
    detail: expect.stringContaining('ECONNREFUSED'),
    remedy: expect.stringContaining('check mqtt.url'),
  });
});

it('does not wait for ever for a broker that never answers', async () => {
  const silent = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const [finding] = await check({ url: `mqtt://127.0.0.1:${port}` }, 500);
  expect(finding).toMatchObject({ level: 'fail', detail: 'no answer within 0.5 s' });
  silent.close();
});

describe.skipIf(mosquittoMissing)('with mosquitto', () => {
  it('meets a wrong password and never tells it', async () => {
    await using broker = await startMosquitto({ users: { press: 'right' } });
    const findings = await check({ url: broker.url, username: 'press', password: 'hunter2' });
    expect(findings).toMatchObject([{ level: 'fail', remedy: expect.stringContaining('mqtt.username') }]);
    expect(JSON.stringify(findings)).not.toContain('hunter2');
  });

  it.each(['5', '3.1.1'] as const)('meets rights that are too narrow (MQTT %s)', async (protocol) => {
    await using broker = await startMosquitto({
      users: { press: 'right' },
      acl: ['user press', `topic readwrite ${base}/status`],
    });
    const [finding] = await check({ url: broker.url, username: 'press', password: 'right', protocol });
    expect(finding).toMatchObject({
      level: 'fail',
      remedy: `let the user press publish and subscribe below ${base}/# (the broker's access list)`,
    });
  });

  it('meets TLS on a plain port, and no TLS on a TLS port', async () => {
    await using plain = await startMosquitto();
    await using secure = await startMosquitto({ tls: 'server' });
    for (const url of [plain.url.replace('mqtt:', 'mqtts:'), secure.url.replace('mqtts:', 'mqtt:')]) {
      const [finding] = await check({ url });
      expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining('scheme and port') });
    }
  });

  it('meets a certificate that nobody vouches for', async () => {
    await using broker = await startMosquitto({ tls: 'server' });
    const [finding] = await check({ url: broker.url });
    expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining('mqtt.ca') });
    const [trusted] = await check({ url: broker.url, ca: broker.certificates!.ca });
    expect(trusted).toMatchObject({ level: 'ok', detail: expect.stringContaining('MQTT 5') });
  });
});
