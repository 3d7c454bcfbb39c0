/** Every normative statement of Sparkplug 3.0.0 that binds an edge node, against mosquitto and a host application. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ISubscribePacket } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Closer } from '../../../../agent/lifecycle/closer.ts';
import { loadConfig } from '../../../../config/load.ts';
import { sparkplugSchema } from '../../../../config/mqtt-schema.ts';
import { type Mosquitto, mosquittoMissing, startMosquitto } from '../../../rigs/mosquitto.ts';
import { openTap, type Tap } from '../../../rigs/mqtt-tap.ts';
import { type Edge, type EdgeOptions, group, node, openEdge } from '../../../rigs/sparkplug-edge.ts';
import {
  command,
  commandTopic,
  type Decoded,
  decode,
  openSparkplugHost,
  type SparkplugHost,
  type SparkplugMessage,
} from '../../../rigs/sparkplug-host.ts';
import { until } from '../../../rigs/until.ts';
import { account, judge, proves, wire } from './referee.ts';

const id = `${group}/${node}`;
const topic = (type: string, device?: string) =>
  ['spBv1.0', group, type, node, ...(device === undefined ? [] : [device])].join('/');
const metric = (message: Decoded, name: string) => message.metrics.find((one) => one.name === name);
const worth = (message: Decoded, name: string) => metric(message, name)?.value;
const bdSeqOf = (message: Decoded) => worth(message, 'bdSeq');
const willOf = (tap: Tap, connection: number) => tap.connections[connection]!.connect!.will!;
const numbers = (messages: readonly SparkplugMessage[]) =>
  messages.map((one) => worth(one, 'Result/Sequence'));
const isHistorical = (message: SparkplugMessage) => message.metrics.every((one) => one.isHistorical);

interface Scene extends AsyncDisposable {
  readonly broker: Mosquitto;
  readonly tap: Tap;
  readonly host: SparkplugHost;
  readonly edge: Edge;
}

/** Disposal lets the referee judge all messages. */
async function openScene(options: Omit<EdgeOptions, 'url'> = {}, hostId?: string): Promise<Scene> {
  await using opened = new Closer();
  const broker = opened.use(await startMosquitto());
  const tap = opened.use(await openTap(broker.port));
  const host = opened.use(await openSparkplugHost(broker.url, hostId));
  const edge = opened.use(await openEdge({ ...options, url: tap.url }));
  const all = opened.move();
  return {
    broker,
    tap,
    host,
    edge,
    async [Symbol.asyncDispose]() {
      await edge[Symbol.asyncDispose]();
      judge(tap, group, node);
      await all[Symbol.asyncDispose]();
    },
  };
}

if (mosquittoMissing) console.warn(`skipped: Sparkplug at mosquitto: ${mosquittoMissing}`);

describe.skipIf(mosquittoMissing).each(['3.1.1', '5'] as const)(
  'a Sparkplug edge node over MQTT %s',
  (protocol) => {
    it('connects with its death as its will, and its births name all metrics', async () => {
      await using scene = await openScene({ protocol });
      const { tap, host } = scene;
      await host.hears('DBIRTH', 2);
      const { packets, connect } = tap.connections[0]!;
      const will = connect!.will!;
      const death = decode(will.payload as Buffer);

      if (protocol === '5') {
        proves('principles-persistence-clean-session-50', () => {
          expect(connect).toMatchObject({ protocolVersion: 5, clean: true });
          expect(connect!.properties?.sessionExpiryInterval ?? 0).toBe(0);
        });
      } else {
        proves('principles-persistence-clean-session-311', () => {
          expect(connect).toMatchObject({ protocolVersion: 4, clean: true });
        });
      }
      proves(
        `message-flow-edge-node-birth-publish-will-message payloads-ndeath-will-message
      message-flow-edge-node-birth-publish-will-message-topic message-flow-edge-node-birth-publish-will-message-qos
      message-flow-edge-node-birth-publish-will-message-will-retained payloads-ndeath-will-message-qos
      payloads-ndeath-will-message-retain`,
        () => expect(will).toMatchObject({ topic: topic('NDEATH'), qos: 1, retain: false }),
      );
      proves(
        `message-flow-edge-node-birth-publish-will-message-payload topics-ndeath-payload
      message-flow-edge-node-birth-publish-will-message-payload-bdSeq topics-nbirth-bdseq-increment`,
        () => {
          expect(death.metrics).toMatchObject([{ name: 'bdSeq', datatype: 4, field: 'longValue', value: 0 }]);
          expect(death.seq).toBeUndefined();
        },
      );
      const subscribed = packets
        .filter((packet): packet is ISubscribePacket => packet.cmd === 'subscribe')
        .flatMap(({ subscriptions }) => subscriptions.map(({ topic, qos }) => `${topic} ${qos}`));
      proves('message-flow-edge-node-ncmd-subscribe', () => {
        expect(subscribed).toContain(`${topic('NCMD')} 1`);
      });
      proves('message-flow-device-dcmd-subscribe', () => {
        expect(subscribed).toEqual(
          expect.arrayContaining([`${topic('DCMD', 'top')} 1`, `${topic('DCMD', 'side')} 1`]),
        );
      });

      const [birth, ...devices] = wire(tap)[0]!;
      proves(
        `topics-nbirth-bdseq-included topics-nbirth-bdseq-matching payloads-nbirth-bdseq payloads-nbirth-bdseq-repeat
      payloads-ndeath-bdseq message-flow-edge-node-birth-publish-nbirth-payload
      message-flow-edge-node-birth-publish-nbirth-payload-bdSeq`,
        () => expect(metric(birth!, 'bdSeq')).toMatchObject({ datatype: 4, value: bdSeqOf(death) }),
      );
      proves(
        `topics-nbirth-rebirth-metric payloads-nbirth-rebirth-req operational-behavior-data-commands-rebirth-name
      operational-behavior-data-commands-rebirth-datatype operational-behavior-data-commands-rebirth-value`,
        () =>
          expect(metric(birth!, 'Node Control/Rebirth')).toMatchObject({
            datatype: 11,
            value: false,
            isNull: false,
          }),
      );
      proves(
        'message-flow-device-birth-publish-dbirth-payload topic-structure-namespace-unique-device-id',
        () => {
          expect(devices.map(({ device }) => device)).toEqual(['top', 'side']);
          for (const { metrics } of devices) expect(metrics.length).toBeGreaterThan(20);
        },
      );
      proves('case-sensitivity-metric-names', () => {
        for (const { metrics } of [birth!, ...devices]) {
          const names = metrics.map(({ name }) => name!.toLowerCase());
          expect(new Set(names).size).toBe(names.length);
        }
      });
      // The group has a space and an umlaut, which UTF-8 preserves.
      proves(
        `intro-group-id-string intro-edge-node-id-string intro-device-id-string intro-group-id-chars
      intro-edge-node-id-chars intro-device-id-chars`,
        () =>
          expect(host.ofType('DBIRTH').map((one) => one.topic)).toEqual([
            topic('DBIRTH', 'top'),
            topic('DBIRTH', 'side'),
          ]),
      );
      expect(devices[0]!.metrics.filter(({ isNull }) => isNull)).toHaveLength(devices[0]!.metrics.length);
      expect(metric(devices[0]!, 'Timing/Total')!.properties).toContainEqual(
        expect.objectContaining({ key: 'engUnit', value: 'ms' }),
      );
    });

    it('sends one complete message for each result, and numbers restart at 0 after 255', async () => {
      await using scene = await openScene({ protocol });
      const { edge, host, tap } = scene;
      await host.hears('DBIRTH', 2);
      for (let i = 0; i < 300; i++) await edge.put(i % 3 === 0 ? 'side' : 'top');
      await host.hears('DDATA', 300);
      expect(numbers(host.ofType('DDATA', 'top'))).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
      expect(numbers(host.ofType('DDATA', 'side'))).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
      const last = await edge.put('top', {
        state: 'failed',
        verdict: 'uncertain',
        evaluation: 0,
        label: null,
        probability: null,
        reasons: ['camera lost', 'no frame'],
      });
      const heard = await host.hears('DDATA', 301);
      proves('topics-ddata-payload', () => {
        expect(heard.metrics.map(({ name }) => name)).toEqual(
          host.ofType('DBIRTH', 'top')[0]!.metrics.map(({ name }) => name),
        );
        expect(metric(heard, 'Result/Label')).toMatchObject({ isNull: true, field: undefined });
        expect(worth(heard, 'Result/Verdict')).toBe('uncertain');
        expect(metric(heard, 'Result/Verdict')!.properties).toMatchObject([{ key: 'Quality', value: 0 }]);
        expect(worth(heard, 'Result/Reasons')).toBe('camera lost; no frame');
        expect(worth(heard, 'Result/Id')).toBe(last.resultId);
        expect(worth(heard, 'Result/Captured At')).toBe(Date.parse(last.capturedAt));
        expect(heard.metrics.some((one) => one.isHistorical)).toBe(false);
      });
      const sent = wire(tap)[0]!.length;
      edge.sparkplug.changed();
      await until(() => scene.edge.store.size === 0);
      proves(
        'principles-rbe-recommended operational-behavior-data-publish-dbirth-change operational-behavior-data-publish-nbirth-change',
        () => expect(wire(tap)[0]!).toHaveLength(sent),
      );

      edge.facts = {
        ...edge.facts,
        status: { ...edge.facts.status, state: 'degraded', reasons: ['camera top: away'] },
      };
      edge.sparkplug.changed();
      const changed = await host.hears('NDATA');
      proves('topics-ndata-payload', () => {
        expect(changed.metrics.map(({ name, value }) => [name, value])).toEqual([
          ['Station/State', 'degraded'],
          ['Station/Reasons', 'camera top: away'],
        ]);
      });
    });

    it('sends its births again on request of a host, and executes no other command', async () => {
      await using scene = await openScene({ protocol });
      const { edge, host, tap } = scene;
      await host.hears('DBIRTH', 2);
      const newest = await edge.put('top');
      await host.hears('DDATA', 1, 'top');
      const before = wire(tap)[0]!.length;
      await host.publish(commandTopic(id), command('Node Control/Rebirth', false));
      await host.publish(commandTopic(id), command('Node Control/Rebirth', 'true'));
      await host.publish(commandTopic(id), command('Node Control/Reboot', true));
      await host.publish(commandTopic(id, 'top'), command('Node Control/Rebirth', true));
      await host.publish(commandTopic(id, 'top'), command('Result/Verdict', 'pass'));
      await host.publish(commandTopic(id), 'garbage');
      await host.publish(commandTopic(id), Buffer.alloc(100_000, 0xff));
      await edge.put('top');
      await host.hears('DDATA', 2, 'top');
      proves(
        'operational-behavior-data-commands-ncmd-rebirth-verb operational-behavior-data-commands-ncmd-rebirth-name',
        () => {
          expect(
            wire(tap)[0]!
              .slice(before)
              .map(({ type }) => type),
          ).toEqual(['DDATA']);
        },
      );
      const said = (text: string) => edge.log.filter((line) => line.includes(text)).length;
      expect([said('Node Control/Reboot'), said('Result/Verdict'), said('not a Sparkplug payload')]).toEqual([
        1, 1, 1,
      ]);

      await edge.put('side');
      await host.requestRebirth(id);
      await edge.put('top');
      await host.hears('DDATA', 3, 'top');
      const again = wire(tap)[0]!;
      const at = again.findLastIndex(({ type }) => type === 'NBIRTH');
      proves(
        `operational-behavior-data-commands-rebirth-action-1 operational-behavior-data-commands-rebirth-action-2
      operational-behavior-data-commands-ncmd-rebirth-value`,
        () => {
          expect(at).toBeGreaterThan(before);
          expect(again.slice(at, at + 3).map(({ type, device }) => [type, device])).toEqual([
            ['NBIRTH', undefined],
            ['DBIRTH', 'top'],
            ['DBIRTH', 'side'],
          ]);
          expect(worth(again[at + 1]!, 'Result/Sequence')).toBeGreaterThan(newest.sequence);
        },
      );
      proves('operational-behavior-data-commands-rebirth-action-3', () => {
        expect(bdSeqOf(again[at]!)).toBe(bdSeqOf(decode(willOf(tap, 0).payload as Buffer)));
        expect(tap.connections).toHaveLength(1);
      });

      // An old retained request, which the broker sends to every new client.
      await host.publish(commandTopic(id), command('Node Control/Rebirth', true), true);
      await edge.restart();
      await edge.put('top');
      await until(() => wire(tap)[1]?.some(({ type }) => type === 'DDATA'));
      await until(() => said('a retained command is refused') > 0);
      expect(wire(tap)[1]!.filter(({ type }) => type === 'NBIRTH')).toHaveLength(1);
    });

    it('reports when a camera is lost and when it is back; results in between are historical', async () => {
      await using scene = await openScene({ protocol });
      const { edge, host } = scene;
      await host.hears('DBIRTH', 2);
      edge.turns('top', 'down');
      const death = await host.hears('DDEATH');
      proves('operational-behavior-device-ddeath', () => {
        expect(death).toMatchObject({ topic: topic('DDEATH', 'top'), metrics: [] });
      });
      await edge.put('top', { state: 'failed' });
      await edge.put('side');
      await host.hears('DDATA', 1, 'side');
      expect(host.ofType('DDATA', 'top')).toHaveLength(0);
      edge.turns('top', 'up');
      await host.hears('DBIRTH', 2, 'top');
      expect(isHistorical(await host.hears('DDATA', 1, 'top'))).toBe(true);
      await edge.put('top');
      expect(isHistorical(await host.hears('DDATA', 2, 'top'))).toBe(false);
    });

    it('ends in order: sends waiting messages, publishes its death, disconnects', async () => {
      await using scene = await openScene({ protocol });
      const { edge, host, tap } = scene;
      await host.hears('DBIRTH', 2);
      for (let i = 0; i < 40; i++) await edge.put('top');
      await edge.sparkplug[Symbol.asyncDispose]();
      await host.hears('NDEATH');
      const { packets } = tap.connections[0]!;
      const sent = packets.filter(({ cmd }) => cmd === 'publish' || cmd === 'disconnect');
      proves(
        `operational-behavior-edge-node-intentional-disconnect-ndeath
      operational-behavior-edge-node-intentional-disconnect-packet payloads-ndeath-will-message-publisher`,
        () => {
          expect(sent.slice(-2).map(({ cmd }) => cmd)).toEqual(['publish', 'disconnect']);
          expect(wire(tap)[0]!.at(-1)).toMatchObject({ type: 'NDEATH', seq: undefined, retain: false });
          expect(bdSeqOf(host.ofType('NDEATH')[0]!)).toBe(bdSeqOf(host.ofType('NBIRTH')[0]!));
          expect(numbers(host.ofType('DDATA', 'top'))).toHaveLength(40);
        },
      );
      if (protocol === '5') {
        proves('payloads-ndeath-will-message-publisher-disconnect-mqtt50', () => {
          expect(sent.at(-1)).toMatchObject({ reasonCode: 4 });
        });
      } else {
        proves('payloads-ndeath-will-message-publisher-disconnect-mqtt311', () => {
          expect(sent.at(-2)).toMatchObject({ topic: topic('NDEATH') });
        });
      }
    });

    it('is declared dead by the broker after a lost connection, and counts its connections', async () => {
      await using scene = await openScene({ protocol, lastBdSeq: 253 });
      const { edge, host, tap } = scene;
      for (const [index, bdSeq] of [254, 255, 0].entries()) {
        const birth = await host.hears('NBIRTH', index + 1);
        await until(() => edge.sparkplug.connected);
        await edge.put('top');
        await host.hears('DDATA', index + 1, 'top');
        await until(() => edge.store.size === 0, { what: 'the broker to confirm' });
        tap.connections[index]!.cut();
        const death = await host.hears('NDEATH', index + 1);
        expect([bdSeqOf(birth), bdSeqOf(death)]).toEqual([bdSeq, bdSeq]);
      }
      await host.hears('NBIRTH', 4);
      await edge.restart();
      expect(bdSeqOf(await host.hears('NBIRTH', 5))).toBe(2);
      proves('operational-behavior-primary-application-state-with-multiple-servers-single-server', () => {
        expect(tap.maxOpen).toBe(1);
      });
    });

    it('waits for its primary host, and disconnects with it', async () => {
      await using scene = await openScene({ protocol, primaryHost: 'scada' });
      const { edge, host, tap, broker } = scene;
      await edge.put('top');
      const subscribed = () =>
        tap.connections[0]?.packets
          .filter((packet): packet is ISubscribePacket => packet.cmd === 'subscribe')
          .flatMap(({ subscriptions }) => subscriptions.map(({ topic, qos }) => `${topic} ${qos}`));
      await until(() => subscribed()?.length);
      proves('operational-behavior-primary-application-state-with-multiple-servers-state-subs', () => {
        expect(subscribed()).toContain('spBv1.0/STATE/scada 1');
      });
      const now = Date.now();
      await using other = await openSparkplugHost(broker.url, 'other');
      await other.state(true, now);
      await host.publish('spBv1.0/STATE/scada', 'ONLINE');
      await host.publish('spBv1.0/STATE/scada', '{"online":"true","timestamp":1}');
      await host.state(false, now);
      await host.state(true, now - 1);
      await until(() => edge.log.some((line) => line.includes('older than an earlier one')));
      await until(() => edge.notices.includes('waiting for the primary host scada'));
      proves(
        `message-flow-edge-node-birth-publish-phid-wait message-flow-edge-node-birth-publish-phid-wait-id
      message-flow-edge-node-birth-publish-phid-wait-online message-flow-edge-node-birth-publish-phid-wait-timestamp
      operational-behavior-edge-node-birth-sequence-wait`,
        () => {
          expect(wire(tap).flat()).toEqual([]);
          expect(edge.sparkplug.connected).toBe(false);
        },
      );
      await host.state(true, now);
      await host.hears('NBIRTH');
      expect(isHistorical(await host.hears('DDATA', 1, 'top'))).toBe(true);
      expect(edge.notices.at(-1)).toBe('');

      // The will of a connection that the host has replaced arrives late.
      await host.state(false, now - 1);
      await edge.put('top');
      expect(isHistorical(await host.hears('DDATA', 2, 'top'))).toBe(false);
      proves('operational-behavior-edge-node-termination-host-offline-timestamp', () => {
        expect(tap.connections[0]!.isOpen).toBe(true);
        expect(host.ofType('NDEATH')).toEqual([]);
      });

      await host.state(false, now);
      await host.hears('NDEATH');
      await until(() => !tap.connections[0]!.isOpen);
      await until(() => tap.connections[1]?.packets.some(({ cmd }) => cmd === 'subscribe'));
      for (let i = 0; i < 30; i++) await edge.put('top');
      const connected = wire(tap);
      proves(
        `message-flow-edge-node-birth-publish-phid-offline operational-behavior-edge-node-termination-host-offline
      operational-behavior-edge-node-termination-host-offline-reconnect
      operational-behavior-primary-application-state-with-multiple-servers-walk`,
        () => {
          expect(connected[0]!.at(-1)).toMatchObject({ type: 'NDEATH' });
          expect(connected).toHaveLength(2);
          expect(connected[1]).toEqual([]);
        },
      );
      await host.state(true, now + 1);
      await host.hears('DBIRTH', 4);
      await host.hears('DDATA', 32, 'top');
      const late = host.ofType('DDATA', 'top').slice(2);
      expect(late.every(isHistorical)).toBe(true);
      expect(numbers(late)).toEqual(Array.from({ length: 30 }, (_, i) => i + 3));
      // The birth has the newest result, which later historical results do not replace.
      expect(worth(host.ofType('DBIRTH', 'top')[1]!, 'Result/Sequence')).toBe(32);
      expect(worth(host.ofType('DBIRTH', 'side')[1]!, 'Result/Sequence')).toBeUndefined();
    });
  },
);

describe('the ids of a Sparkplug edge node', () => {
  it('are refused if a topic cannot contain them', () => {
    const takes = (ids: object) => sparkplugSchema.safeParse({ groupId: 'plant', ...ids }).success;
    proves(
      'topic-structure-namespace-valid-group-id topic-structure-namespace-valid-edge-node-id topic-structure-namespace-valid-device-id',
      () => {
        expect([takes({}), takes({ groupId: 'Werk Süd', edgeNodeId: '印刷機' })]).toEqual([true, true]);
        for (const bad of ['a+b', 'a/b', '#', '', ' a', 'a\u0000b', 'STATE', 'x'.repeat(64)]) {
          expect(
            [takes({ groupId: bad }), takes({ edgeNodeId: bad }), takes({ primaryHost: bad })],
            bad,
          ).toEqual([false, false, false]);
        }
      },
    );
  });
});

describe('cameras as Sparkplug devices', () => {
  it('are reported if their names differ only in case', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qc-case-'));
    const file = join(folder, 'agent.yaml');
    const camera = { url: 'rtsp://10.0.0.7/stream1' };
    const warned = async (mqtt: object) => {
      const cameras = { top: camera, Top: camera, side: camera };
      await writeFile(file, stringify({ station: 'press-3', cameras, mqtt }));
      const warnings: string[] = [];
      loadConfig(file, {}, (text) => void warnings.push(text));
      return warnings.filter((text) => text.includes('case'));
    };
    const without = await warned({});
    const withSparkplug = await warned({ sparkplug: { groupId: 'plant' } });
    await rm(folder, { recursive: true });
    proves('case-sensitivity-sparkplug-ids', () => {
      expect([without.length, withSparkplug.length]).toEqual([0, 1]);
      expect(withSparkplug[0]).toContain('cameras.Top');
    });
  });
});

describe.skipIf(mosquittoMissing)('the statements of Sparkplug 3.0.0', () => {
  it('are all proved, or do not apply to this edge node', () => {
    expect(account()).toEqual({ open: [], both: [], idle: [], unseen: [] });
  });
});
