/** The rules for every message of every connection in all scenarios. */
import { expect } from 'vitest';
import type { Tap } from '../../../rigs/mqtt-tap.ts';
import { readMessage, type SparkplugMessage } from '../../../rigs/sparkplug-host.ts';
import { notApplicable, statements } from './statements.ts';

const proved = new Set<string>();
const types = ['NBIRTH', 'NDATA', 'NDEATH', 'DBIRTH', 'DDATA', 'DDEATH'];
/** Types of messages that were judged: a rule for a type that never occurred would prove nothing. */
const judged = new Set<string>();

/** Counts the statements (without `tck-id-`) as proved once the check has passed, which must have asserted something. */
export function proves(ids: string, check: () => void): void {
  const before = expect.getState().assertionCalls ?? 0;
  check();
  if ((expect.getState().assertionCalls ?? 0) === before) throw new Error(`nothing was asserted for ${ids}`);
  for (const id of ids.trim().split(/\s+/)) {
    const full = `tck-id-${id}`;
    if (!statements.includes(full)) throw new Error(`there is no statement ${full}`);
    proved.add(full);
  }
}

/**
 * Statements neither proved nor excluded, those that are both, exclusions without a statement, and types that never
 * occurred.
 */
export function account(): { open: string[]; both: string[]; idle: string[]; unseen: string[] } {
  const patterns = notApplicable.flatMap(({ ids }) => ids);
  const matches = (pattern: string, id: string) =>
    pattern.endsWith('-') ? id.startsWith(pattern) : id === pattern;
  const excused = (id: string) => patterns.some((pattern) => matches(pattern, id));
  return {
    open: statements.filter((id) => !proved.has(id) && !excused(id)),
    both: statements.filter((id) => proved.has(id) && excused(id)),
    idle: patterns.filter((pattern) => !statements.some((id) => matches(pattern, id))),
    unseen: types.filter((type) => !judged.has(type)),
  };
}

/** The messages of the edge node over each connection, as sent. */
export function wire(tap: Tap): SparkplugMessage[][] {
  return tap.connections.map(({ packets }) =>
    packets.flatMap((packet) =>
      packet.cmd === 'publish'
        ? [readMessage(packet.topic, packet.payload as Buffer, packet.qos, packet.retain)]
        : [],
    ),
  );
}

/** Which field of the value each datatype uses (§6.4.16). */
const fieldOf = new Map<number, string>([
  ...[1, 2, 3, 5, 6].map((type) => [type, 'intValue'] as const),
  ...[4, 7, 8, 13].map((type) => [type, 'longValue'] as const),
  [9, 'floatValue'],
  [10, 'doubleValue'],
  [11, 'booleanValue'],
  ...[12, 14, 15].map((type) => [type, 'stringValue'] as const),
]);

const isBirth = ({ type }: SparkplugMessage) => type.endsWith('BIRTH');
const isData = ({ type }: SparkplugMessage) => type.endsWith('DATA');
const near = (timestamp: number | undefined) =>
  Number.isInteger(timestamp) && Math.abs(Date.now() - timestamp!) < 120_000;

export function judge(tap: Tap, group: string, node: string): void {
  for (const messages of wire(tap)) if (messages.length > 0) judgeOne(messages, group, node);
}

function judgeOne(messages: readonly SparkplugMessage[], group: string, node: string): void {
  const living = messages.filter(({ type }) => type !== 'NDEATH');
  for (const { type } of messages) judged.add(type);
  proves('principles-birth-certificates-order message-flow-edge-node-birth-publish-connect', () => {
    expect(messages[0]?.type).toBe('NBIRTH');
  });
  proves(
    `topic-structure topic-structure-namespace-a topic-structure-namespace-device-id-associated-message-types
    topic-structure-namespace-device-id-non-associated-message-types
    message-flow-device-birth-publish-dbirth-match-edge-node-topic
    topics-nbirth-topic topics-ndata-topic topics-ndeath-topic topics-dbirth-topic topics-ddata-topic topics-ddeath-topic
    message-flow-edge-node-birth-publish-nbirth-topic message-flow-device-birth-publish-dbirth-topic`,
    () => {
      for (const { topic, type, device } of messages) {
        expect(type).toMatch(/^[ND](BIRTH|DATA|DEATH)$/);
        expect(topic).toBe(
          ['spBv1.0', group, type, node, ...(type.startsWith('D') ? [device] : [])].join('/'),
        );
      }
    },
  );
  proves(
    `topics-nbirth-mqtt topics-ndata-mqtt topics-dbirth-mqtt topics-ddata-mqtt topics-ddeath-mqtt
    payloads-nbirth-qos payloads-nbirth-retain payloads-dbirth-qos payloads-dbirth-retain payloads-ndata-qos
    payloads-ndata-retain payloads-ddata-qos payloads-ddata-retain
    message-flow-edge-node-birth-publish-nbirth-qos message-flow-edge-node-birth-publish-nbirth-retained
    message-flow-device-birth-publish-dbirth-qos message-flow-device-birth-publish-dbirth-retained`,
    () => {
      for (const { qos, retain } of living) expect([qos, retain]).toEqual([0, false]);
    },
  );
  proves(
    `topics-nbirth-seq-num topics-ndata-seq-num topics-dbirth-seq topics-ddata-seq-num topics-ddeath-seq-num
    topics-ndeath-seq payloads-sequence-num-always-included payloads-sequence-num-req-nbirth
    payloads-sequence-num-incrementing payloads-nbirth-seq payloads-dbirth-seq payloads-dbirth-seq-inc
    payloads-ndata-seq payloads-ndata-seq-inc payloads-ddata-seq payloads-ddata-seq-inc payloads-ddeath-seq
    payloads-ddeath-seq-inc payloads-ddeath-seq-number payloads-ndeath-seq
    message-flow-edge-node-birth-publish-nbirth-payload-seq message-flow-device-birth-publish-dbirth-payload-seq`,
    () => {
      let expected = 0;
      for (const { type, seq } of messages) {
        if (type === 'NBIRTH') expected = 0;
        expect(seq).toBe(type === 'NDEATH' ? undefined : expected);
        expected = (expected + 1) % 256;
      }
    },
  );
  proves(
    `topics-nbirth-timestamp topics-ndata-timestamp topics-dbirth-timestamp topics-ddata-timestamp
    payloads-nbirth-timestamp payloads-dbirth-timestamp payloads-ndata-timestamp payloads-ddata-timestamp
    payloads-ddeath-timestamp payloads-timestamp-in-UTC`,
    () => {
      for (const { timestamp } of living) expect(near(timestamp)).toBe(true);
    },
  );
  judgeOrder(messages);
  judgeMetrics(messages);
}

/** Births before data, for the node and for each device. */
function judgeOrder(messages: readonly SparkplugMessage[]): void {
  proves(
    `message-flow-device-birth-publish-nbirth-wait payloads-dbirth-order payloads-ndata-order payloads-ddata-order`,
    () => {
      const alive = new Set<string | undefined>();
      for (const { type, device } of messages) {
        if (type === 'NBIRTH') {
          alive.clear();
          alive.add(undefined);
        } else if (type === 'DBIRTH') {
          expect(alive.has(undefined)).toBe(true);
          alive.add(device);
        } else {
          expect(alive.has(device)).toBe(true);
          if (type === 'DDEATH') alive.delete(device);
        }
      }
    },
  );
  proves(
    `operational-behavior-data-publish-nbirth operational-behavior-data-publish-dbirth topics-nbirth-metric-reqs
    topics-dbirth-metric-reqs`,
    () => {
      const born = new Map<string | undefined, Set<string | undefined>>();
      for (const message of messages) {
        const names = message.metrics.map(({ name }) => name);
        if (isBirth(message)) born.set(message.device, new Set(names));
        else for (const name of names) expect(born.get(message.device)).toContain(name);
      }
    },
  );
}

function judgeMetrics(messages: readonly SparkplugMessage[]): void {
  const births = messages.filter(isBirth).flatMap(({ metrics }) => metrics);
  const data = messages.filter(isData).flatMap(({ metrics }) => metrics);
  const all = [...births, ...data];
  proves('payloads-name-requirement operational-behavior-data-commands-rebirth-name-aliases', () => {
    for (const { name, hasAlias } of all) expect([typeof name, hasAlias]).toEqual(['string', false]);
  });
  proves('payloads-name-birth-data-requirement payloads-metric-timestamp-in-UTC', () => {
    for (const { timestamp } of all) expect(near(timestamp)).toBe(true);
  });
  proves(
    `topics-nbirth-metrics topics-dbirth-metrics payloads-metric-datatype-req payloads-metric-datatype-value
    payloads-metric-datatype-value-type operational-behavior-data-publish-nbirth-values
    operational-behavior-data-publish-dbirth-values`,
    () => {
      for (const { datatype, isNull, field } of births) {
        // No field has the type of a data set (16) or a template (19).
        expect([...fieldOf.keys()]).toContain(datatype);
        expect(field).toBe(isNull ? undefined : fieldOf.get(datatype!));
      }
    },
  );
  if (data.length > 0) {
    proves('payloads-metric-datatype-not-req', () => {
      for (const { datatype } of data) expect(datatype).toBeUndefined();
    });
  }
  proves('payloads-propertyset-keys-array-size payloads-propertyset-values-array-size', () => {
    for (const { keysAndValues } of all) expect(keysAndValues[0]).toBe(keysAndValues[1]);
  });
  proves(
    `payloads-metric-propertyvalue-type-type payloads-metric-propertyvalue-type-value
    payloads-metric-propertyvalue-type-req payloads-propertyset-quality-value-type
    payloads-propertyset-quality-value-value`,
    () => {
      for (const { key, type, field, value } of all.flatMap(({ properties }) => properties)) {
        expect(field).toBe(fieldOf.get(type!));
        expect(['Quality', 'engUnit']).toContain(key);
        if (key !== 'Quality') continue;
        expect(type).toBe(3);
        expect([0, 192, 500]).toContain(value);
      }
    },
  );
  proves(
    'operational-behavior-data-publish-nbirth-order operational-behavior-data-publish-dbirth-order',
    () => {
      for (const { metrics } of messages) {
        const times = metrics
          .filter(({ isHistorical }) => !isHistorical)
          .map(({ timestamp }) => timestamp ?? 0);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
      }
    },
  );
}
