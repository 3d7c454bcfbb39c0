/** A refusal of a message, a topic or a subscription by the broker affects nothing else. */
import { describe, expect, it } from 'vitest';
import { lettersOf } from '../../../agent/publish/part-messages.ts';
import {
  type LimitedBroker,
  type Limits,
  type Refusing,
  startLimitedBroker,
} from '../../rigs/limited-broker.ts';
import { mosquittoMissing, startMosquitto } from '../../rigs/mosquitto.ts';
import { openProbe } from '../../rigs/mqtt-probe.ts';
import { base, openPublisherRig, type PublisherRig, result } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';

const resultTopic = `${base}/top/result`;
const verdictTopic = `${base}/top/verdict`;
const statusTopic = `${base}/status`;
const commands = `${base}/command/+`;

const put = (rig: PublisherRig, sequence: number, over = {}) =>
  rig.store.put(lettersOf(result(sequence, over), rig.outbox));

/** Judges parts one after the other until this number of live verdicts has arrived. */
async function judge(rig: PublisherRig, broker: LimitedBroker, live: number, over = {}): Promise<void> {
  const isLive = () => broker.on(verdictTopic).filter(({ json }) => json.historical === undefined).length;
  let sequence = rig.outbox.verdicts.newestId;
  if (sequence === 0) await until(() => rig.publisher.connected);
  await until(
    async () => {
      await put(rig, ++sequence, over);
      return isLive() >= live;
    },
    { everyMs: 40, what: `${live} live verdicts` },
  );
}

const refusing = (topic: string, how: Refusing): Limits => ({
  publish: (packet) => (packet.topic === topic ? how : undefined),
});
const versions = ['5', '3.1.1'] as const;

describe('a message that is too large', () => {
  it.each([true, false])('is dropped alone (limit announced: %s)', async (announced) => {
    await using broker = await startLimitedBroker({ maximumPacketSize: { bytes: 700, announced } });
    await using rig = await openPublisherRig({ url: broker.url });
    await judge(rig, broker, 15);
    await until(() => rig.store.size === 0);
    expect(broker.on(verdictTopic).every(({ json }) => json.historical === undefined)).toBe(true);
    expect(broker.on(resultTopic)).toEqual([]);
    // Messages known to be too large are not sent.
    expect(broker.connects.length).toBe(announced ? 1 : 2);
    expect(rig.refused.every((one) => one === 'result too-large')).toBe(true);
    expect(rig.store.dropped).toBe(rig.refused.length);
    expect(rig.log.filter((line) => line.includes(resultTopic))).toHaveLength(1);
    expect(rig.notices.at(-1)).toContain(`${resultTopic}: the message is too large`);
    // Small ones are accepted, and the notice ends.
    await put(rig, 1_000, { probabilities: {}, reasons: [], state: 'failed' });
    broker.limits = {};
    await put(rig, 1_001, { partId: 'small' });
    if (announced) return;
    await until(() => rig.store.size === 0);
  });

  it('is identified among small ones on MQTT 3.1.1, and nothing else is lost', async () => {
    await using broker = await startLimitedBroker({ maximumPacketSize: { bytes: 1_500, announced: false } });
    await using rig = await openPublisherRig({ url: broker.url, protocol: '3.1.1' });
    await until(() => rig.publisher.connected);
    for (let i = 1; i <= 20; i++) await put(rig, i, i === 5 ? { reasons: ['x'.repeat(2_000)] } : {});
    await until(() => rig.store.size === 0, { what: 'everything else to be delivered' });
    const numbers = new Set(broker.on(resultTopic).map(({ json }) => json.sequence));
    expect([...numbers]).toEqual(Array.from({ length: 20 }, (_, i) => i + 1).filter((n) => n !== 5));
    expect(new Set(broker.on(verdictTopic).map(({ json }) => json.sequence)).size).toBe(20);
    expect([rig.refused, rig.store.dropped]).toEqual([['result disconnected'], 1]);
  });

  it('may be the status: then it is sent without its reasons', async () => {
    await using broker = await startLimitedBroker({ maximumPacketSize: { bytes: 500, announced: true } });
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.connected);
    rig.status = { ...rig.status, state: 'degraded', reasons: ['y'.repeat(600)] };
    rig.publisher.statusChanged();
    await until(() => broker.on(statusTopic).some(({ json }) => json.state === 'degraded'));
  });
});

describe('a topic without permission to publish', () => {
  const ways: { name: string; how: Refusing }[] = [
    { name: 'an answer', how: { answer: 0x87 } },
    { name: 'a full quota', how: { answer: 0x97 } },
    { name: 'a DISCONNECT', how: { disconnect: 0x87 } },
    { name: 'a closed connection', how: 'hang-up' },
  ];
  it.each(ways)('delays its own messages only, refused by $name', async ({ how }) => {
    await using broker = await startLimitedBroker(refusing(resultTopic, how));
    await using rig = await openPublisherRig({ url: broker.url, flushMs: 50 });
    await judge(rig, broker, 25);
    const verdicts = broker.on(verdictTopic);
    expect(verdicts.filter(({ json }) => json.historical)).toEqual([]);
    expect(broker.connects.length).toBeLessThanOrEqual(5);
    expect(rig.notices.at(-1)).toContain(`refuses messages on ${resultTopic}`);
    expect(rig.publisher.reason).toBe(rig.notices.at(-1));
    expect(rig.refused).toHaveLength(1);
    // Waiting messages are kept.
    expect([rig.outbox.results.size > 0, rig.store.dropped]).toEqual([true, 0]);
    await until(() => rig.outbox.verdicts.size === 0);
    const { length } = broker.connects;
    await judge(rig, broker, verdicts.length + 20);
    expect(broker.connects.length).toBe(length);
  });

  it('gets the waiting messages, in order and marked, when it is permitted', async () => {
    await using broker = await startLimitedBroker(refusing(resultTopic, { answer: 0x87 }));
    await using rig = await openPublisherRig({ url: broker.url });
    await judge(rig, broker, 12);
    broker.limits = {};
    // The next attempt is ten seconds after the first refusal.
    await until(() => rig.store.size === 0, { timeoutMs: 15_000 });
    const numbers = broker.on(resultTopic).map(({ json }) => json.sequence);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    expect(broker.on(resultTopic).every(({ json }) => json.historical)).toBe(true);
    expect(rig.notices.at(-1)).toBe('');
    await put(rig, numbers.length + 1);
    await until(() => broker.on(resultTopic).length === numbers.length + 1);
    expect(broker.on(resultTopic).at(-1)!.json.historical).toBe(false);
  });

  it.each(versions)('may be the status or a reply (MQTT %s)', async (protocol) => {
    const isForbidden = (topic: string) => topic === statusTopic || topic.endsWith('/reply');
    await using broker = await startLimitedBroker({
      publish: ({ topic }) => (isForbidden(topic) ? 'hang-up' : undefined),
    });
    await using rig = await openPublisherRig({ url: broker.url, protocol });
    await until(() => rig.publisher.connected, { what: 'a connection without a status' });
    for (let i = 0; i < 3; i++) {
      await until(() => rig.publisher.connected);
      broker.send(`${base}/command/mode`, '{"mode":"calibration"}');
      await until(() => rig.obeyed.length > i);
      await put(rig, i + 1);
      await until(() => broker.on(verdictTopic).length > i);
    }
    await until(() => rig.refused.includes('reply disconnected'));
    expect(rig.refused).toContain('status disconnected');
  });

  it('is used without retain if only that is refused', async () => {
    await using broker = await startLimitedBroker({
      publish: ({ retain }) => (retain ? 'hang-up' : undefined),
    });
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.connected && broker.on(statusTopic).length > 0);
    expect(broker.on(statusTopic)[0]).toMatchObject({ retain: false, json: { online: true } });
    expect(rig.refused).toEqual([]);
  });
});

describe('a subscription that is refused', () => {
  it.each(['answer', 'hang-up'])(
    'stops nothing else, and is reported if commands are needed (%s)',
    async (way) => {
      const how: Refusing = way === 'hang-up' ? way : { answer: 0x87 };
      await using broker = await startLimitedBroker({ subscribe: () => how });
      await using plain = await openPublisherRig({ url: broker.url, clientId: 'plain' });
      await judge(plain, broker, 5);
      await using triggered = await openPublisherRig({ url: broker.url }, undefined, { needsCommands: true });
      await until(() => triggered.publisher.connected);
      await until(() => triggered.notices.at(-1)?.includes(`refuses the subscription to ${commands}`));
      expect(plain.notices.filter((text) => text !== '')).toEqual([]);
      expect(plain.log.join('')).toContain(`refuses the subscription to ${commands}`);
    },
  );

  it('is replaced by one for each command that is allowed', async () => {
    await using broker = await startLimitedBroker({
      subscribe: (filter) => (filter.endsWith('/trigger') ? undefined : { answer: 0x87 }),
    });
    await using rig = await openPublisherRig({ url: broker.url }, undefined, { needsCommands: true });
    await until(() => rig.publisher.connected);
    expect(broker.subscribed).toEqual([`${base}/command/trigger`]);
    expect(rig.notices.at(-1)).toBe('');
    broker.send(`${base}/command/trigger`, '{"camera":"top"}');
    await until(() => rig.obeyed.length === 1);
  });

  it('is not made if commands are disabled', async () => {
    await using broker = await startLimitedBroker({ subscribe: () => 'hang-up' });
    await using rig = await openPublisherRig({ url: broker.url, commands: false });
    await until(() => rig.publisher.connected);
    expect([broker.subscribed, broker.connects.length]).toEqual([[], 1]);
  });
});

describe('a limit in CONNACK', () => {
  it.each([1, 3])('is respected: %s unacknowledged messages', async (receiveMaximum) => {
    await using broker = await startLimitedBroker({ receiveMaximum });
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.connected);
    for (let i = 1; i <= 30; i++) {
      await put(rig, i);
      rig.publisher.statusChanged();
      broker.send(`${base}/command/mode`, '{"mode":"calibration"}');
    }
    await until(() => rig.store.size === 0 && broker.on(`${base}/command/mode/reply`).length === 30);
    expect([broker.maxUnacknowledged, broker.connects.length]).toEqual([receiveMaximum, 1]);
  });

  it.each([true, false])(
    'is respected: no retained messages, QoS 0 only (announced: %s)',
    async (announces) => {
      await using broker = await startLimitedBroker({ noRetain: true, maximumQos: 0, announces });
      await using rig = await openPublisherRig({ url: broker.url });
      for (let i = 1; i <= 20; i++) await put(rig, i);
      await until(() => rig.store.size === 0);
      expect(broker.taken.filter(({ qos, retain }) => qos > 0 || retain)).toEqual([]);
      expect(new Set(broker.on(resultTopic).map(({ json }) => json.sequence)).size).toBe(20);
      expect(broker.on(statusTopic).length).toBeGreaterThan(0);
    },
  );

  it('is respected: no wildcards', async () => {
    await using broker = await startLimitedBroker({ noWildcards: true });
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.connected);
    const commands = ['trigger', 'acknowledge', 'abort', 'mode', 'label', 'recipe', 'model', 'challenge'];
    expect(broker.subscribed.toSorted()).toEqual(commands.map((name) => `${base}/command/${name}`).sort());
    expect(broker.connects).toHaveLength(1);
  });
});

it('is configured for MQTT 3.1.1, without retain and QoS 1', async () => {
  await using broker = await startLimitedBroker({ only311: true, noRetain: true, maximumQos: 0 });
  await using refused = await openPublisherRig({ url: broker.url, clientId: 'other' });
  await until(() => refused.publisher.reason.includes('mqtt.retain: false'));
  await using rig = await openPublisherRig({ url: broker.url, retain: false, qos: 0 });
  await until(() => rig.publisher.connected);
  await put(rig, 1);
  await until(() => rig.store.size === 0);
  expect(broker.on(verdictTopic)[0]).toMatchObject({ qos: 0, retain: false });
});

describe.skipIf(mosquittoMissing)('with mosquitto', () => {
  it.each(versions)('a limit of 500 bytes costs no verdict (MQTT %s)', async (protocol) => {
    await using broker = await startMosquitto({ maxPacketSize: 500 });
    await using probe = await openProbe(broker.url);
    await using rig = await openPublisherRig({ url: broker.url, protocol, flushMs: 50 });
    await until(() => rig.publisher.connected);
    for (let i = 1; i <= 20; i++) {
      await put(rig, i);
      await probe.hears(verdictTopic, i);
    }
    expect(probe.on(verdictTopic).map(({ json }) => json.historical)).toEqual(Array(20).fill(undefined));
    await until(() => rig.notices.at(-1)?.includes(resultTopic));
  });
});
