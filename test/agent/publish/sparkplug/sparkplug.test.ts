/** Faults of a plant around an edge node: stopped brokers, frozen links, damaged files. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openBroker } from '../../../../agent/demo/broker.ts';
import { openBdSeq } from '../../../../agent/publish/sparkplug/bd-seq.ts';
import { type Broker, mosquittoMissing, startMosquitto } from '../../../rigs/mosquitto.ts';
import { openTap } from '../../../rigs/mqtt-tap.ts';
import { openEdge } from '../../../rigs/sparkplug-edge.ts';
import {
  type Decoded,
  decode,
  openSparkplugHost,
  type SparkplugMessage,
} from '../../../rigs/sparkplug-host.ts';
import { until } from '../../../rigs/until.ts';
import { openValve } from '../../../rigs/valve.ts';

const worth = (message: Decoded, name: string) => message.metrics.find((one) => one.name === name)?.value;
const sequences = (messages: readonly SparkplugMessage[]) =>
  messages.map((one) => worth(one, 'Result/Sequence'));
const isHistorical = (message: SparkplugMessage) => message.metrics.every((one) => one.isHistorical);
const oneTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

interface Counterpart {
  readonly name: string;
  readonly missing?: string | undefined;
  start(port?: number): Promise<Broker>;
}
const counterparts: readonly Counterpart[] = [
  {
    name: 'mosquitto',
    missing: mosquittoMissing,
    start: (port) => startMosquitto(port === undefined ? {} : { port }),
  },
  {
    name: 'aedes, falling back from 5 to 3.1.1',
    async start(port) {
      const broker = await openBroker({ port });
      return { ...broker, kill: broker.stop };
    },
  },
];

if (mosquittoMissing) console.warn(`skipped: Sparkplug at mosquitto: ${mosquittoMissing}`);

describe.each(counterparts)('a Sparkplug edge node at $name', ({ missing, start }) => {
  it.skipIf(missing)('sends results from a broker outage as historical', async () => {
    const first = await start();
    // Waits for the host, so that the host receives everything.
    await using edge = await openEdge({ url: first.url, primaryHost: 'scada' });
    {
      await using host = await openSparkplugHost(first.url);
      await host.state(true);
      await edge.put('top');
      await host.hears('DDATA', 1, 'top');
      await until(() => edge.store.size === 0);
    }
    await first.kill();
    await until(() => !edge.sparkplug.connected);
    for (let i = 0; i < 50; i++) await edge.put('top');
    await edge.put('side');

    await using second = await start(first.port);
    await using host = await openSparkplugHost(second.url);
    await host.state(true);
    await host.hears('DDATA', 50, 'top');
    await edge.put('top');
    await edge.put('side');
    await host.hears('DDATA', 51, 'top');
    await host.hears('DDATA', 2, 'side');
    const top = host.ofType('DDATA', 'top');
    expect(sequences(top)).toEqual(oneTo(52).slice(1));
    expect(top.map(isHistorical)).toEqual(oneTo(51).map((n) => n <= 50));
    expect(host.ofType('DDATA', 'side').map(isHistorical)).toEqual([true, false]);
    expect(worth(await host.hears('DBIRTH', 1, 'top'), 'Result/Sequence')).toBe(51);
    await until(() => edge.store.size === 0);
  });
});

describe.skipIf(mosquittoMissing)('a Sparkplug edge node', () => {
  it('keeps a result until the broker has confirmed it', async () => {
    await using broker = await startMosquitto();
    await using valve = await openValve(broker.port);
    await using host = await openSparkplugHost(broker.url);
    await using edge = await openEdge({ url: `mqtt://127.0.0.1:${valve.port}`, keepaliveSeconds: 1 });
    await host.hears('DBIRTH', 2);
    for (let i = 0; i < 5; i++) await edge.put('top');
    await until(() => edge.store.size === 0);
    // Written into a dead connection: QoS 0 alone would not notice it.
    valve.shut();
    for (let i = 0; i < 40; i++) await edge.put('top');
    await until(() => !edge.sparkplug.connected, { what: 'the keepalive to notice' });
    expect(edge.store.size).toBe(40);
    valve.open();
    await host.hears('DDATA', 45, 'top');
    expect(sequences(host.ofType('DDATA', 'top'))).toEqual(oneTo(45));
    expect(host.ofType('DDATA', 'top').map(isHistorical)).toEqual(oneTo(45).map((n) => n > 5));
    await until(() => edge.store.size === 0);
  });

  it('ends in time at a broker that no longer answers', async () => {
    await using broker = await startMosquitto();
    await using valve = await openValve(broker.port);
    await using edge = await openEdge({ url: `mqtt://127.0.0.1:${valve.port}`, flushMs: 100 });
    await until(() => edge.sparkplug.connected);
    valve.shut();
    await edge.put('top');
    const before = performance.now();
    await edge.sparkplug[Symbol.asyncDispose]();
    // Much less than the keepalive of 15 s.
    expect(performance.now() - before).toBeLessThan(8_000);
    expect(edge.store.size).toBe(1);
  });

  it('answers many requests for rebirth with few births, and always the last request', async () => {
    await using broker = await startMosquitto();
    await using host = await openSparkplugHost(broker.url);
    await using edge = await openEdge({ url: broker.url });
    await host.hears('DBIRTH', 2);
    const ask = () => host.requestRebirth('Werk Süd/press-3');
    await Promise.all([ask(), ask()]);
    await host.hears('NBIRTH', 3);

    const asked = 500;
    for (let i = 0; i < asked; i++) await ask();
    // Only a birth contains it: the node received no event of the change.
    edge.facts = { ...edge.facts, recipe: 'another' };
    await ask();
    await until(() => host.ofType('NBIRTH').some((birth) => worth(birth, 'Station/Recipe') === 'another'));
    expect(host.ofType('NBIRTH').length).toBeLessThan(asked / 10);
    await edge.put('top');
    await host.hears('DDATA', 1, 'top');
  });

  it('reconnects over TLS with the next number', async () => {
    await using broker = await startMosquitto({ tls: 'server' });
    const { ca } = broker.certificates!;
    await using host = await openSparkplugHost(broker.url, 'scada', ca);
    await using edge = await openEdge({ url: broker.url, ca });
    await host.hears('DBIRTH', 2);
    await edge.restart();
    await host.hears('DBIRTH', 4);
    expect(host.ofType('NBIRTH').map((birth) => worth(birth, 'bdSeq'))).toEqual([0, 1]);
  });
});

describe.skipIf(mosquittoMissing)('a message above the limit of the broker', () => {
  it('is dropped alone, and leaves no gap in the sequence', async () => {
    await using broker = await startMosquitto({ maxPacketSize: 3_000 });
    await using host = await openSparkplugHost(broker.url);
    await using edge = await openEdge({ url: broker.url });
    await host.hears('DBIRTH', 2);
    await edge.put('top');
    await edge.put('top', { reasons: ['x'.repeat(4_000)] });
    await edge.put('top');
    await edge.put('side');
    await until(() => edge.store.size === 0);
    expect(sequences([await host.hears('DDATA', 1, 'top'), await host.hears('DDATA', 2, 'top')])).toEqual([
      1, 3,
    ]);
    await host.hears('DDATA', 1, 'side');
    expect(host.heard.map(({ seq }) => seq)).toEqual(host.heard.map((_, i) => i));
    expect([edge.refused, edge.store.dropped]).toEqual([['DDATA too-large'], 1]);
    expect(edge.notices.at(-1)).toMatch(/^DDATA: .*the message is too large/);
  });

  it('is reported if it is a birth, without which the node can send nothing', async () => {
    await using broker = await startMosquitto({ maxPacketSize: 300 });
    await using edge = await openEdge({ url: broker.url });
    await until(() => edge.notices.at(-1)?.includes('NBIRTH/press-3: the message is too large'));
  });
});

describe('a host that announces itself as in Sparkplug 2.2', () => {
  it('is distinguished from one that is offline, on both topics', async () => {
    await using broker = await openBroker({});
    await using host = await openSparkplugHost(broker.url);
    await using edge = await openEdge({ url: broker.url, primaryHost: 'scada' });
    await until(() => edge.notices.at(-1) === 'waiting for the primary host scada');
    await host.publish('STATE/scada', 'ONLINE', true);
    await until(() => edge.notices.at(-1)?.includes('as in Sparkplug 2.2, on STATE/scada'));
    expect(edge.log.join('')).toContain('remove mqtt.sparkplug.primaryHost');
    expect(host.heard).toEqual([]);
    await host.state(true);
    await host.hears('NBIRTH');
    expect(edge.notices.at(-1)).toBe('');
    await using other = await openEdge({ url: broker.url, primaryHost: 'mes', clientId: 'other' });
    await host.publish('spBv1.0/STATE/mes', 'ONLINE', true);
    await until(() => other.notices.at(-1)?.includes('has the format of Sparkplug 2.2'));
  });
});

describe('the number that joins a birth to its death', () => {
  it('is different for every CONNECT, also for one that was refused', async () => {
    // It supports 3.1.1 only.
    await using broker = await openBroker({});
    await using tap = await openTap(broker.port);
    await using edge = await openEdge({ url: tap.url });
    await until(() => edge.sparkplug.connected);
    const sent = tap.connections.map(({ connect }) => ({
      version: connect!.protocolVersion,
      bdSeq: worth(decode(connect!.will!.payload as Buffer), 'bdSeq'),
    }));
    expect(sent).toEqual([
      { version: 5, bdSeq: 0 },
      { version: 4, bdSeq: 1 },
    ]);
  });

  it('is not used by attempts without a connection', async () => {
    const gone = await openBroker({});
    await gone.stop();
    await using edge = await openEdge({ url: gone.url, protocol: '3.1.1' });
    await until(() => edge.log.filter((line) => line.includes('broker-unreachable')).length > 0);
    await using broker = await openBroker({ port: gone.port });
    await using host = await openSparkplugHost(broker.url);
    await until(() => edge.sparkplug.connected);
    await host.requestRebirth('Werk Süd/press-3');
    expect(worth(await host.hears('NBIRTH'), 'bdSeq')).toBe(0);
  });

  it('restarts if its file is damaged, which is renamed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qc-bdseq-'));
    const file = join(folder, 'sparkplug.json');
    await writeFile(file, '{"schema":1,"bdSeq":17');
    const log: string[] = [];
    const bdSeq = await openBdSeq(file, pino({}, { write: (line: string) => void log.push(line) }));
    expect(await bdSeq.forConnect()).toBe(0);
    expect(await bdSeq.forConnect()).toBe(0);
    bdSeq.sent();
    expect(await bdSeq.forConnect()).toBe(1);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ schema: 1, bdSeq: 1 });
    expect(await readdir(folder)).toContain('sparkplug.json.damaged');
    expect(log.join()).toContain('was damaged');
    await rm(folder, { recursive: true });
  });
});
