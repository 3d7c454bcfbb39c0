/** mqtts with mosquitto: accepted and refused certificates, the messages about them, and renewal. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBroker } from '../../../agent/doctor/broker.ts';
import { checkWithin } from '../../../agent/doctor/time-limit.ts';
import { connectBroker } from '../../../agent/publish/broker.ts';
import { mqttSchema } from '../../../config/mqtt-schema.ts';
import type { MqttConfig } from '../../../config/schema.ts';
import { type Authority, type Certificates, makeAuthority } from '../../rigs/certificates.ts';
import { freePort } from '../../rigs/free-port.ts';
import { type Mosquitto, mosquittoMissing, startMosquitto } from '../../rigs/mosquitto.ts';
import { base, openPublisherRig } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';

if (mosquittoMissing) console.warn(`mqtts skipped: ${mosquittoMissing}`);

const settings = (url: string, more: Partial<MqttConfig>): MqttConfig => ({
  ...mqttSchema.parse({ url }),
  topic: base,
  clientId: 'qc-press-3',
  ...more,
});

/** The findings of the doctor. */
async function doctor(mqtt: MqttConfig) {
  const limits = {
    timeoutMs: 10_000,
    late: 'broker-unreachable',
    signal: new AbortController().signal,
  } as const;
  return checkWithin('broker', limits, (signal) => checkBroker({ mqtt, cameras: {} }, undefined, signal));
}

/** The error code of a failed connection; `connected` for a successful one. */
async function attempt(mqtt: MqttConfig): Promise<string> {
  const will = { topic: `${base}/will`, payload: '' };
  try {
    await using _ = await connectBroker({ ...mqtt, will }, new AbortController().signal);
    return 'connected';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe.skipIf(mosquittoMissing)('mqtts', () => {
  let folder: string;
  let ours: Authority;
  let theirs: Authority;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'qc-tls-'));
    [ours, theirs] = [makeAuthority(folder), makeAuthority(folder)];
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const serve = (certificates: Certificates, more: { port?: number; tls?: 'server' | 'client' } = {}) =>
    startMosquitto({ tls: 'client', certificates, ...more });

  /** @param remedy remedy of the doctor */
  async function refuses(broker: Mosquitto, mqtt: Partial<MqttConfig>, code: string, remedy: string) {
    for (const protocol of ['5', '3.1.1'] as const) {
      expect(await attempt(settings(broker.url, { ...mqtt, protocol }))).toBe(code);
    }
    const [finding] = await doctor(settings(broker.url, mqtt));
    expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining(remedy) });
  }

  it('connects if both sides know the authority of the other', async () => {
    const [server, client] = [ours.issue(), ours.issue({ names: 'DNS:press-3', days: 90 })];
    await using broker = await serve(server);
    const mqtt = settings(broker.url, client);
    expect(await attempt(mqtt)).toBe('connected');
    const findings = await doctor(mqtt);
    expect(findings[0]).toMatchObject({ level: 'ok', detail: expect.stringContaining('mqtts://127.0.0.1') });
    // It is valid for one more day.
    expect(findings[1]).toMatchObject({
      level: 'warn',
      detail: expect.stringMatching(/certificate of the broker expires in \d day/),
    });
    expect(findings.slice(2).every(({ level }) => level === 'ok')).toBe(true);
  });

  it('refuses a broker whose certificate is for another host', async () => {
    await using broker = await serve(ours.issue({ names: 'DNS:broker.plant.local' }));
    await refuses(
      broker,
      ours.issue(),
      'broker-tls-name',
      'a host name that the certificate of the broker contains',
    );
  });

  it('refuses a broker whose certificate has expired', async () => {
    await using broker = await serve(ours.issue({ days: -1 }));
    await refuses(broker, ours.issue(), 'broker-tls-expired', 'renew the certificate of the broker');
  });

  it('refuses a broker with a certificate of another authority', async () => {
    await using broker = await serve(ours.issue());
    const { cert, key } = ours.issue();
    await refuses(
      broker,
      { ca: theirs.ca, cert, key },
      'broker-tls-untrusted',
      'set mqtt.ca to the PEM file',
    );
    await refuses(broker, { cert, key }, 'broker-tls-untrusted', 'set mqtt.ca to the PEM file');
  });

  it('reports that the broker requires a client certificate, or another one', async () => {
    await using broker = await serve(ours.issue());
    const { ca } = ours;
    await refuses(broker, { ca }, 'broker-tls-client', 'set mqtt.cert and mqtt.key');
    const { cert, key } = theirs.issue();
    await refuses(broker, { ca, cert, key }, 'broker-tls-client', 'set mqtt.cert and mqtt.key');
  });

  it('reports faults of its own files before it connects', async () => {
    await using broker = await serve(ours.issue());
    const [one, other, old] = [ours.issue(), ours.issue(), ours.issue({ days: -1 })];
    const told = async (mqtt: Partial<MqttConfig>) => (await doctor(settings(broker.url, mqtt)))[0]?.detail;
    expect(await told(old)).toMatch(/mqtt\.cert: .* expired on \d{4}-/);
    expect(await told({ ...one, key: other.key })).toMatch(/mqtt\.key: .* is not the key of the certificate/);
    expect(await told({ ...one, cert: one.key })).toMatch(/mqtt\.cert: .* contains no certificate/);
    expect(await told({ ...one, key: join(folder, 'none') })).toMatch(/mqtt\.key: .* cannot be read/);
    expect(await told({ ...one, ca: one.key })).toMatch(/mqtt\.ca: .* contains no certificate/);
    expect(await attempt(settings(broker.url, old))).toBe('broker-tls-client');
  });

  it('uses renewed certificates at the next connection, without a restart', async () => {
    const port = await freePort();
    const files = {
      ca: join(folder, 'ca.pem'),
      cert: join(folder, 'cert.pem'),
      key: join(folder, 'key.pem'),
    };
    const put = (certificates: Certificates) => {
      for (const name of ['ca', 'cert', 'key'] as const) copyFileSync(certificates[name], files[name]);
    };
    const before = await serve(ours.issue(), { port });
    put(ours.issue());
    await using rig = await openPublisherRig({ url: before.url, ...files });
    await until(() => rig.publisher.connected);
    // The plant changes to another authority: the broker first.
    await before[Symbol.asyncDispose]();
    await using _after = await serve(theirs.issue(), { port });
    await until(() => rig.publisher.reason.includes('mqtt.ca'), { what: 'the old files to be refused' });
    put(theirs.issue());
    await until(() => rig.publisher.connected, { what: 'the new files to be used' });
  });
});
