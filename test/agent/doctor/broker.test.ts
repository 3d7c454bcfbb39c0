import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openBroker } from '../../../agent/demo/broker.ts';
import { checkBroker } from '../../../agent/doctor/broker.ts';
import { checkConfig } from '../../../agent/doctor/config.ts';
import type { Finding } from '../../../agent/doctor/finding.ts';
import type { RunningAgent } from '../../../agent/doctor/http.ts';
import { checkSparkplug } from '../../../agent/doctor/sparkplug.ts';
import { checkWithin } from '../../../agent/doctor/time-limit.ts';
import { cameraSchema } from '../../../config/camera-schema.ts';
import { mqttSchema } from '../../../config/mqtt-schema.ts';
import type { MqttConfig } from '../../../config/schema.ts';
import { freePort } from '../../rigs/free-port.ts';
import { type Limits, type Refusing, startLimitedBroker } from '../../rigs/limited-broker.ts';
import { mosquittoMissing, startMosquitto } from '../../rigs/mosquitto.ts';
import { openProbe } from '../../rigs/mqtt-probe.ts';
import { base, openPublisherRig } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';

if (mosquittoMissing) console.warn(`doctor: tests with mosquitto skipped, ${mosquittoMissing}`);

interface Circumstances {
  readonly timeoutMs?: number;
  readonly running?: RunningAgent;
  readonly trigger?: 'command' | 'continuous';
}

function check(
  settings: Partial<MqttConfig>,
  { timeoutMs = 10_000, running, trigger = 'continuous' }: Circumstances = {},
): Promise<Finding[]> {
  const { url, ...rest } = settings;
  const cameras = { top: cameraSchema.parse({ url: 'rtsp://127.0.0.1/a', trigger: { kind: trigger } }) };
  const mqtt = { ...mqttSchema.parse({ url }), topic: base, clientId: 'qc-press-3', ...rest };
  const limits = { timeoutMs, late: 'broker-unreachable', signal: new AbortController().signal } as const;
  return checkWithin('broker', limits, (signal) => checkBroker({ mqtt, cameras }, running, signal));
}

it('sends and receives a message while an agent runs, and leaves nothing behind', async () => {
  await using broker = await openBroker();
  await using agent = await openPublisherRig({ url: broker.url });
  await until(() => agent.publisher.connected);
  await using probe = await openProbe(broker.url);
  await probe.hears(`${base}/status`);
  const [finding] = await check({ url: broker.url }, { running: { refused: '' }, trigger: 'command' });
  expect(finding).toMatchObject({
    level: 'ok',
    detail: expect.stringMatching(/MQTT 3\.1\.1, round trip of a message/),
  });
  expect(agent.publisher.connected).toBe(true);
  const [status, ...others] = probe.heard;
  expect(status).toMatchObject({ topic: `${base}/status`, retained: true });
  for (const { topic, retained } of others) {
    expect([topic.startsWith(`${base}/doctor/`), retained]).toEqual([true, false]);
  }
  await using later = await openProbe(broker.url);
  await later.hears(`${base}/status`);
  expect(later.heard).toHaveLength(1);
});

it('reports that nothing listens', async () => {
  const [finding] = await check({ url: `mqtt://127.0.0.1:${await freePort()}` });
  expect(finding).toMatchObject({
    level: 'fail',
    detail: expect.stringContaining('ECONNREFUSED'),
    remedy: expect.stringContaining('check mqtt.url'),
  });
});

it('does not wait forever for a broker that never answers', async () => {
  const silent = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const [finding] = await check({ url: `mqtt://127.0.0.1:${port}` }, { timeoutMs: 500 });
  expect(finding).toMatchObject({ level: 'fail', detail: 'no answer within 0.5 s' });
  silent.close();
});

describe('a broker with limits', () => {
  const refusing = (suffix: string, how: Refusing): Limits => ({
    publish: ({ topic }) => (topic.endsWith(suffix) ? how : undefined),
  });
  const failures = (findings: readonly Finding[]) =>
    findings.flatMap(({ level, detail }) => (level === 'fail' ? [detail] : []));

  it.each([
    { suffix: '/top/result', how: { answer: 0x87 } },
    { suffix: '/top/verdict', how: { disconnect: 0x87 } },
    { suffix: '/status', how: 'hang-up' },
    { suffix: '/top/handshake', how: { answer: 0x87 } },
    { suffix: '/trigger/reply', how: 'hang-up' },
  ] as const)('refuses $suffix, which is found while an agent runs', async ({ suffix, how }) => {
    await using broker = await startLimitedBroker(refusing(suffix, how));
    const findings = await check({ url: broker.url }, { running: { refused: '' }, trigger: 'command' });
    expect(failures(findings)).toEqual([
      expect.stringContaining(
        `refuses messages on ${base}${suffix.startsWith('/trigger') ? '/command' : ''}${suffix} (`,
      ),
    ]);
    // Only the message of the doctor was delivered.
    expect(broker.taken.filter(({ topic }) => !topic.includes('/doctor/'))).toEqual([]);
  });

  it('that delivers immediately gets marked messages, and none while an agent runs', async () => {
    await using broker = await startLimitedBroker({ maximumQos: 1 });
    const beside = await check({ url: broker.url }, { running: { refused: '' }, trigger: 'command' });
    expect(beside.map(({ detail }) => detail)).toContainEqual(
      expect.stringContaining('not tested because an agent is running'),
    );
    const knows = { refused: `the broker refuses messages on ${base}/top/result: not authorized` };
    expect(failures(await check({ url: broker.url }, { running: knows }))).toEqual([
      expect.stringContaining(knows.refused),
    ]);
    const topics = () => broker.taken.filter(({ topic }) => !topic.includes('/doctor/'));
    expect(topics()).toEqual([]);
    await check({ url: broker.url }, { trigger: 'command' });
    expect(topics().map(({ topic }) => topic.slice(base.length))).toEqual([
      '/status',
      '/top/result',
      '/top/verdict',
      '/top/handshake',
      '/command/trigger/reply',
    ]);
    for (const { json, retain } of topics()) {
      expect(retain).toBe(false);
      expect([json.evaluation ?? 0, json.online ?? false, json.state ?? 'not-ready']).toEqual([
        0,
        false,
        'not-ready',
      ]);
    }
  });

  it.each(['answer', 'hang-up'])(
    'that refuses the subscription fails only if commands are needed (%s)',
    async (way) => {
      const how: Refusing = way === 'hang-up' ? way : { answer: 0x87 };
      await using broker = await startLimitedBroker({ subscribe: () => how });
      expect(failures(await check({ url: broker.url }))).toEqual([]);
      const needed = await check({ url: broker.url }, { trigger: 'command' });
      expect(failures(needed).some((detail) => detail.includes(`${base}/command/+`))).toBe(true);
    },
  );

  it('is described by its limits, with the setting to change', async () => {
    await using small = await startLimitedBroker({ maximumPacketSize: { bytes: 700, announced: true } });
    expect(failures(await check({ url: small.url }))).toEqual([expect.stringContaining('at most 700 bytes')]);
    await using plain = await startLimitedBroker({ noRetain: true, maximumQos: 0 });
    const remedies = (await check({ url: plain.url })).map(({ remedy }) => remedy ?? '');
    for (const key of ['mqtt.retain: false', 'mqtt.qos: 0']) {
      expect(remedies.some((remedy) => remedy.includes(key))).toBe(true);
    }
    await using old = await startLimitedBroker({ noRetain: true, only311: true });
    expect(await check({ url: old.url })).toMatchObject([
      { level: 'fail', remedy: 'set mqtt.retain: false' },
    ]);
  });
});

describe('the primary host of Sparkplug', () => {
  const sparkplug = async (url: string) => {
    const file = join(await mkdtemp(join(tmpdir(), 'qc-doctor-')), 'agent.yaml');
    const settings = `station: press-3
cameras: {top: {url: 'rtsp://127.0.0.1/a'}}
mqtt: {url: '${url}', sparkplug: {groupId: g, primaryHost: scada}}
`;
    await writeFile(file, settings);
    const { config } = checkConfig(file, {});
    return (await checkSparkplug(config!, new AbortController().signal))[0];
  };

  it('is online, offline, unknown, or of Sparkplug 2.2', async () => {
    await using broker = await openBroker();
    await using host = await openProbe(broker.url);
    const state = (topic: string, payload: string) => host.publish(topic, payload, { retain: true });
    await state('spBv1.0/STATE/mes', '{"online":true,"timestamp":1}');
    expect(await sparkplug(broker.url)).toMatchObject({
      level: 'warn',
      detail: expect.stringContaining('hosts found: mes'),
    });
    await state('STATE/scada', 'ONLINE');
    expect(await sparkplug(broker.url)).toMatchObject({
      level: 'fail',
      detail: expect.stringContaining('as in Sparkplug 2.2, on STATE/scada'),
      remedy: expect.stringContaining('remove mqtt.sparkplug.primaryHost'),
    });
    await state('spBv1.0/STATE/scada', '{"online":true,"timestamp":1}');
    expect(await sparkplug(broker.url)).toMatchObject({ level: 'ok' });
  });
});

describe.skipIf(mosquittoMissing)('with mosquitto', () => {
  it('finds the one topic that the access list lacks', async () => {
    await using broker = await startMosquitto({
      users: { press: 'right' },
      acl: [
        'user press',
        ...['status', 'top/verdict'].map((topic) => `topic write ${base}/${topic}`),
        `topic write ${base}/command/+/reply`,
        `topic read ${base}/command/+`,
        `topic readwrite ${base}/doctor/#`,
      ],
    });
    const findings = await check(
      { url: broker.url, username: 'press', password: 'right' },
      { running: { refused: '' } },
    );
    expect(findings.filter(({ ok }) => !ok)).toMatchObject([
      {
        detail: `refuses messages on ${base}/top/result (not authorized)`,
        remedy: expect.stringContaining('the user press'),
      },
    ]);
  });

  it('reports a wrong password without revealing it', async () => {
    await using broker = await startMosquitto({ users: { press: 'right' } });
    const findings = await check({ url: broker.url, username: 'press', password: 'hunter2' });
    expect(findings).toMatchObject([{ level: 'fail', remedy: expect.stringContaining('mqtt.username') }]);
    expect(JSON.stringify(findings)).not.toContain('hunter2');
  });

  it.each(['5', '3.1.1'] as const)('reports missing permissions (MQTT %s)', async (protocol) => {
    await using broker = await startMosquitto({
      users: { press: 'right' },
      acl: ['user press', `topic readwrite ${base}/status`],
    });
    const [finding] = await check({ url: broker.url, username: 'press', password: 'right', protocol });
    expect(finding).toMatchObject({
      level: 'fail',
      remedy: `allow the user press to publish and subscribe below ${base}/# (access list of the broker)`,
    });
  });

  it('reports TLS on a plain port, and a plain connection to a TLS port', async () => {
    await using plain = await startMosquitto();
    await using secure = await startMosquitto({ tls: 'server' });
    for (const url of [plain.url.replace('mqtt:', 'mqtts:'), secure.url.replace('mqtts:', 'mqtt:')]) {
      const [finding] = await check({ url });
      expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining('scheme and port') });
    }
  });

  it('reports a certificate of an unknown authority', async () => {
    await using broker = await startMosquitto({ tls: 'server' });
    const [finding] = await check({ url: broker.url });
    expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining('mqtt.ca') });
    const [trusted] = await check({ url: broker.url, ca: broker.certificates!.ca });
    expect(trusted).toMatchObject({ level: 'ok', detail: expect.stringContaining('MQTT 5') });
  });
});
