/** The contract over the network, with brokers of other projects. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openBroker } from '../../../agent/demo/broker.ts';
import {
  replyMessage,
  resultMessage,
  statusMessage,
  verdictMessage,
  willMessage,
} from '../../../agent/publish/messages.ts';
import { lettersOf } from '../../../agent/publish/part-messages.ts';
import type { PublisherConfig } from '../../../agent/publish/publisher.ts';
import { type Broker, mosquittoMissing, startMosquitto } from '../../rigs/mosquitto.ts';
import { openProbe } from '../../rigs/mqtt-probe.ts';
import { base, openPublisherRig, result, status } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';
import { openValve } from '../../rigs/valve.ts';

interface Counterpart {
  readonly name: string;
  readonly missing?: string | undefined;
  start(port?: number): Promise<Broker>;
  readonly protocol: PublisherConfig['protocol'];
}
const mosquitto = (port?: number) => startMosquitto(port === undefined ? {} : { port });
const aedes = async (port?: number) => {
  const broker = await openBroker({ port });
  return { ...broker, kill: broker.stop };
};
const counterparts: Counterpart[] = [
  { name: 'aedes, falling back from 5 to 3.1.1', start: aedes, protocol: 'auto' },
  { name: 'mosquitto, MQTT 5', missing: mosquittoMissing, start: mosquitto, protocol: 'auto' },
  { name: 'mosquitto, MQTT 3.1.1', missing: mosquittoMissing, start: mosquitto, protocol: '3.1.1' },
];

for (const { name, missing, start, protocol } of counterparts) {
  if (missing) console.warn(`skipped: ${name}: ${missing}`);
  describe.skipIf(missing)(`publishing to ${name}`, () => {
    it('publishes its status, retained, and its end', async () => {
      await using broker = await start();
      await using probe = await openProbe(broker.url);
      {
        await using rig = await openPublisherRig({ url: broker.url, protocol });
        const first = await probe.hears(`${base}/status`);
        expect(statusMessage.parse(first.json)).toEqual(rig.status);
        await until(() => rig.publisher.connected);
        expect(rig.publisher.reason).toBe('');
        rig.status = status('inspecting');
        rig.publisher.statusChanged();
        expect((await probe.hears(`${base}/status`, 2)).json.state).toBe('inspecting');
        await using late = await openProbe(broker.url);
        const retained = await late.hears(`${base}/status`);
        expect([retained.retained, retained.qos, retained.json.state]).toEqual([true, 1, 'inspecting']);
      }
      await using later = await openProbe(broker.url);
      const goodbye = await later.hears(`${base}/status`);
      expect(willMessage.parse(goodbye.json)).toEqual({ schema: 1, online: false, reason: 'stopped' });
      expect(probe.on(`${base}/status`)).toHaveLength(3);
    });

    it('leaves a last will for an unexpected end', async () => {
      await using broker = await start();
      await using valve = await openValve(broker.port);
      await using probe = await openProbe(broker.url);
      await using rig = await openPublisherRig({
        url: `mqtt://127.0.0.1:${valve.port}`,
        protocol,
        keepaliveSeconds: 1,
        flushMs: 50,
      });
      await until(() => rig.publisher.connected);
      valve.shut();
      await until(() => !rig.publisher.connected, { what: 'the keepalive to notice a half-open link' });
      valve.open();
      const will = await probe.hears(`${base}/status`, 2);
      expect(will.json).toEqual({ schema: 1, online: false, reason: 'connection lost' });
      expect((await probe.hears(`${base}/status`, 3)).json.online).toBe(true);
    });

    it('sends results and verdicts in order, one message each', async () => {
      await using broker = await start();
      await using probe = await openProbe(broker.url);
      await using rig = await openPublisherRig({ url: broker.url, protocol });
      await until(() => rig.publisher.connected);
      for (let i = 1; i <= 100; i++) {
        await rig.store.put(lettersOf(result(i), rig.outbox));
      }
      await probe.hears(`${base}/top/verdict`, 100);
      await until(() => rig.store.size === 0);
      const results = probe.on(`${base}/top/result`).map((m) => resultMessage.parse(m.json));
      expect(results.map((r) => r.sequence)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
      expect(results.every((r) => !r.historical && r.publishedAt >= r.capturedAt)).toBe(true);
      expect(Object.keys(verdictMessage.parse(probe.on(`${base}/top/verdict`)[0]?.json))).toEqual([
        'schema',
        'sequence',
        'partId',
        'verdict',
        'evaluation',
        'jobId',
      ]);
      expect(rig.published.filter((kind) => kind === 'result')).toHaveLength(100);
    });

    it('keeps results while the broker is killed, and sends them as historical, in order', async () => {
      const first = await start();
      await using rig = await openPublisherRig({ url: first.url, protocol });
      await until(() => rig.publisher.connected);
      await first.kill();
      await until(() => !rig.publisher.connected);
      expect(rig.publisher.reason).toContain('127.0.0.1');
      for (let i = 1; i <= 40; i++) {
        await rig.store.put(lettersOf(result(i), rig.outbox));
      }
      await using again = await start(first.port);
      await using probe = await openProbe(again.url);
      await until(() => rig.publisher.connected, { timeoutMs: 20_000 });
      await rig.store.put(lettersOf(result(41), rig.outbox));
      await until(() => rig.store.size === 0);
      // The probe may have connected after the first few; the broker received all.
      const heard = probe.on(`${base}/top/result`).map((m) => m.json);
      if (heard.length === 0) await probe.hears(`${base}/top/result`);
      const sequences = heard.map((r) => r.sequence);
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
      for (const r of heard) expect([r.sequence, r.historical]).toEqual([r.sequence, r.sequence <= 40]);
      for (const v of probe.on(`${base}/top/verdict`)) {
        expect(v.json.historical).toBe(v.json.sequence <= 40 ? true : undefined);
      }
    });

    it('delivers every result over a link that is interrupted', async () => {
      await using broker = await start();
      await using valve = await openValve(broker.port);
      await using probe = await openProbe(broker.url);
      await using rig = await openPublisherRig({
        url: `mqtt://127.0.0.1:${valve.port}`,
        protocol,
        keepaliveSeconds: 1,
      });
      await until(() => rig.publisher.connected);
      for (let i = 1; i <= 60; i++) {
        if (i === 20) valve.shut();
        await rig.store.put(lettersOf(result(i), rig.outbox));
      }
      await until(() => !rig.publisher.connected, { what: 'the cut to be noticed' });
      valve.open();
      await until(() => rig.store.size === 0, { timeoutMs: 20_000, what: 'the outbox to drain' });
      await until(() => probe.on(`${base}/top/result`).some((m) => m.json.sequence === 60));
      const sequences = probe.on(`${base}/top/result`).map((m) => m.json.sequence as number);
      // At least once: a repetition starts at an earlier message, and then all follow in order.
      expect([...new Set(sequences)]).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    });

    it('executes commands and answers each', async () => {
      await using broker = await start();
      await using probe = await openProbe(broker.url);
      await using rig = await openPublisherRig({ url: broker.url, protocol });
      await until(() => rig.publisher.connected);
      const issuedAt = new Date().toISOString();
      await probe.publish(`${base}/command/trigger`, { camera: 'top', partId: 'A-1', issuedAt });
      const reply = await probe.hears(`${base}/command/trigger/reply`);
      expect(replyMessage.parse(reply.json)).toEqual({
        schema: 1,
        ok: true,
        camera: 'top',
        partId: 'A-1',
        jobId: 'job-1',
      });
      await probe.publish(`${base}/command/mode`, { mode: 'calibration' });
      expect((await probe.hears(`${base}/command/mode/reply`)).json).toEqual({ schema: 1, ok: true });
      expect(rig.obeyed.map((o) => o.name)).toEqual(['trigger', 'mode']);
    });

    it('refuses invalid commands with a reason', async () => {
      await using broker = await start();
      await using probe = await openProbe(broker.url);
      await probe.publish(`${base}/command/recipe`, { recipe: 'old' }, { retain: true });
      await using rig = await openPublisherRig({ url: broker.url, protocol });
      await until(() => rig.publisher.connected);
      const codeOf = async (name: string, payload: unknown) => {
        const topic = `${base}/command/${name}`;
        const before = probe.on(`${topic}/reply`).length;
        await probe.publish(topic, payload);
        const reply = await probe.hears(`${topic}/reply`, before + 1);
        expect(reply.json.ok).toBe(false);
        expect(reply.json.error.message).not.toContain('hunter2');
        return reply.json.error.code;
      };
      expect((await probe.hears(`${base}/command/recipe/reply`)).json.error.code).toBe('command-retained');
      expect(await codeOf('trigger', '{"camera":')).toBe('command-invalid');
      expect(await codeOf('trigger', Buffer.from([0xff, 0xfe, 0x00]))).toBe('command-invalid');
      expect(await codeOf('trigger', 'null')).toBe('command-invalid');
      expect(await codeOf('trigger', { camera: 'top', color: 'red' })).toBe('command-invalid');
      expect(await codeOf('trigger', { camera: 'x'.repeat(100_000) })).toBe('command-too-large');
      expect(await codeOf('explode', {})).toBe('command-unknown');
      expect(await codeOf('__proto__', {})).toBe('command-unknown');
      expect(await codeOf('trigger', { camera: 'top', issuedAt: '2020-01-01T00:00:00Z' })).toBe(
        'command-stale',
      );
      expect(await codeOf('trigger', { camera: 'top', issuedAt: '2090-01-01T00:00:00Z' })).toBe(
        'command-stale',
      );
      expect(await codeOf('trigger', { camera: 'gone' })).toBe('camera-unreachable');
      expect(await codeOf('trigger', { camera: 'bug' })).toBe('internal');
      expect(rig.obeyed).toEqual([]);
      expect(rig.publisher.connected).toBe(true);
    });
  });
}

describe('tests with one of the brokers', () => {
  it.skipIf(mosquittoMissing)('answers to the response topic with its correlation data', async () => {
    await using broker = await startMosquitto();
    await using probe = await openProbe(broker.url, { version: 5 });
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.connected);
    const ask = (responseTopic: string, correlation: string) =>
      probe.publish(
        `${base}/command/trigger`,
        { camera: 'top' },
        { properties: { responseTopic, correlationData: Buffer.from(correlation) } },
      );
    await ask('plc/7/answers', 'request-42');
    const answer = await probe.hears('plc/7/answers');
    expect([answer.correlation, answer.json.jobId]).toEqual(['request-42', 'job-1']);
    // A response topic must not overwrite the status with the agent's permissions.
    await ask(`${base}/status`, 'sly');
    expect((await probe.hears(`${base}/command/trigger/reply`)).correlation).toBe('sly');
    expect(probe.on(`${base}/status`)).toHaveLength(1);
    // MQTT 5 shows the retain flag also on new messages.
    await probe.publish(`${base}/command/mode`, { mode: 'calibration' }, { retain: true });
    expect((await probe.hears(`${base}/command/mode/reply`)).json.error.code).toBe('command-retained');
  });

  it('reports a wrong password without revealing it', async () => {
    await using broker = await openBroker({ users: { agent: 'right' } });
    await using rig = await openPublisherRig({
      url: broker.url,
      username: 'agent',
      password: 'wr0ng-secret',
    });
    const reason = await until(
      () => rig.publisher.reason.includes('rejects the log-in') && rig.publisher.reason,
    );
    expect(reason).toContain('check mqtt.username');
    expect(rig.log.join('')).not.toContain('wr0ng-secret');
    expect(rig.log.join('')).toContain('broker-unauthorized');
  });

  it.skipIf(mosquittoMissing)('can log in to mosquitto with the right password only', async () => {
    await using broker = await startMosquitto({ users: { agent: 'right' } });
    await using wrong = await openPublisherRig({ url: broker.url, username: 'agent', password: 'no' });
    await until(() => wrong.log.join('').includes('broker-unauthorized'));
    await using right = await openPublisherRig({ url: broker.url, username: 'agent', password: 'right' });
    await until(() => right.publisher.connected);
  });

  it.skipIf(mosquittoMissing)(
    'logs in once with a wrong password, and again when its file changes',
    async () => {
      await using broker = await startMosquitto({ users: { agent: 'right' } });
      const passwordFile = join(await mkdtemp(join(tmpdir(), 'qc-password-')), 'password');
      await writeFile(passwordFile, 'wrong');
      await using rig = await openPublisherRig({
        url: broker.url,
        username: 'agent',
        password: 'wrong',
        passwordFile,
      });
      await until(() => rig.publisher.reason.includes('the next log-in follows in 1 min'));
      await writeFile(passwordFile, 'right\r\n');
      await until(() => rig.publisher.connected);
      expect(rig.log.join('').match(/rejects the log-in/g)).toHaveLength(1);
    },
  );

  it.skipIf(mosquittoMissing)('keeps messages that the broker refuses', async () => {
    const acl = ['user agent', `topic readwrite ${base}/status`, `topic read ${base}/command/+`];
    await using broker = await startMosquitto({ users: { agent: 'right' }, acl });
    await using rig = await openPublisherRig({
      url: broker.url,
      username: 'agent',
      password: 'right',
      flushMs: 50,
    });
    await until(() => rig.publisher.connected);
    await rig.store.put(lettersOf(result(1), rig.outbox));
    await until(() => rig.notices.at(-1)?.includes(`messages on ${base}/top/result: not authorized`));
    expect([rig.store.size, rig.store.dropped, rig.publisher.connected]).toEqual([2, 0, true]);
  });

  it.skipIf(mosquittoMissing)('speaks TLS, also with a client certificate', async () => {
    await using broker = await startMosquitto({ tls: 'client' });
    const { ca, cert, key } = broker.certificates!;
    await using rig = await openPublisherRig({ url: broker.url, ca, cert, key });
    await until(() => rig.publisher.connected);
    await using stranger = await openPublisherRig({ url: broker.url, cert, key, clientId: 'stranger' });
    await until(() => stranger.log.join('').includes('broker-tls'));
    await using lost = await openPublisherRig({ url: broker.url, ca: '/nowhere/ca.pem', clientId: 'lost' });
    await until(() => lost.publisher.reason.includes('/nowhere/ca.pem'));
  });

  it('reports an unreachable broker, and stops immediately when closed', async () => {
    const broker = await openBroker();
    await broker.stop();
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.reason.includes('cannot be reached'));
    await rig.store.put(lettersOf(result(1), rig.outbox));
  });

  it.skipIf(mosquittoMissing)(
    'reports a second client with the same id, which looks like a lost connection',
    async () => {
      await using broker = await startMosquitto();
      await using one = await openPublisherRig({ url: broker.url });
      await until(() => one.publisher.connected);
      await using two = await openPublisherRig({ url: broker.url });
      await until(() => two.log.join('').includes('connected to the broker'));
      await until(() => one.log.join('').includes('same mqtt.clientId'));
    },
  );

  it('closes a link that answers pings but lost an acknowledgement, and sends again', async () => {
    await using broker = await openBroker();
    await using valve = await openValve(broker.port);
    await using probe = await openProbe(broker.url);
    // Acknowledgements may take two keepalives, and at least 10 s; pings are 5 s apart, and none is lost.
    await using rig = await openPublisherRig({
      url: `mqtt://127.0.0.1:${valve.port}`,
      keepaliveSeconds: 5,
    });
    await until(() => rig.publisher.connected);
    valve.shut();
    for (let i = 1; i <= 40; i++) await rig.store.put(lettersOf(result(i), rig.outbox));
    await sleep(100);
    valve.open();
    await until(() => rig.store.size === 0, { timeoutMs: 25_000, what: 'the outbox to drain' });
    expect(rig.log.join('')).toContain('a message was not acknowledged within 10 s');
    const sequences = probe.on(`${base}/top/result`).map((m) => m.json.sequence as number);
    expect([...new Set(sequences)]).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });

  it('sends waiting messages before it closes', async () => {
    await using broker = await openBroker();
    await using probe = await openProbe(broker.url);
    {
      await using rig = await openPublisherRig({ url: broker.url });
      await until(() => rig.publisher.connected);
      for (let i = 1; i <= 200; i++) await rig.store.put(lettersOf(result(i), rig.outbox));
    }
    await probe.hears(`${base}/top/verdict`, 200);
    expect(probe.heard.at(-1)?.json).toEqual({ schema: 1, online: false, reason: 'stopped' });
  });
});
