/**
 * Payloads as Protobuf (Sparkplug 3.0 §6.4), encoded with the code that Eclipse Tahu generates from the specification's
 * schema. Tahu's high-level encoder writes a datatype into every message, which §6.4.6 allows in births only.
 */
import tahu from 'sparkplug-payload/lib/sparkplugPayloadProto.js';

const { Payload } = tahu.org.eclipse.tahu.protobuf;
type WireMetric = ReturnType<typeof Payload.Metric.create>;

/** §6.4.16. */
export const dataType = {
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt64: 8,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
} as const;
export type DataType = keyof typeof dataType;

/** Quality codes (§6.4.11). */
export const quality = { bad: 0, good: 192, stale: 500 } as const;

export interface Metric {
  readonly name: string;
  readonly type: DataType;
  /** Null if there is no value. Integers are not negative; DateTime is ms since the epoch. */
  readonly value: number | boolean | string | null;
  /** When the value was valid, ms since the epoch, UTC. */
  readonly timestamp: number;
  /** UCUM. */
  readonly unit?: string | undefined;
  readonly quality?: keyof typeof quality | undefined;
  readonly isHistorical?: boolean | undefined;
}

export interface PayloadParts {
  /** When it is sent, ms since the epoch, UTC. */
  readonly timestamp: number;
  /** 0 to 255; NDEATH has none. */
  readonly seq?: number;
  readonly metrics?: readonly Metric[];
}

/** @param kind births (and NDEATH, which the broker sends before any birth) define their metrics: types and units */
export function encodePayload(
  { timestamp, seq, metrics = [] }: PayloadParts,
  kind: 'defines' | 'data',
): Buffer {
  const wire = metrics.map((metric) => encodeMetric(metric, kind === 'defines'));
  const payload = Payload.create({ timestamp, metrics: wire, ...(seq !== undefined && { seq }) });
  return Buffer.from(Payload.encode(payload).finish());
}

function encodeMetric(metric: Metric, defines: boolean): WireMetric {
  const { name, type, value, timestamp, isHistorical } = metric;
  return Payload.Metric.create({
    name,
    timestamp,
    ...(defines && { datatype: dataType[type] }),
    ...(isHistorical && { isHistorical }),
    ...(value === null ? { isNull: true } : { [field[type]]: value }),
    ...properties(metric, defines),
  });
}

const field = {
  Int32: 'intValue',
  Int64: 'longValue',
  UInt8: 'intValue',
  UInt64: 'longValue',
  Double: 'doubleValue',
  Boolean: 'booleanValue',
  String: 'stringValue',
  DateTime: 'longValue',
} as const satisfies Record<DataType, string>;

function properties(metric: Metric, defines: boolean) {
  const keys: string[] = [];
  const values: object[] = [];
  if (metric.quality !== undefined) {
    keys.push('Quality');
    values.push({ type: dataType.Int32, intValue: quality[metric.quality] });
  }
  if (defines && metric.unit !== undefined) {
    keys.push('engUnit');
    values.push({ type: dataType.String, stringValue: metric.unit });
  }
  return keys.length > 0 && { properties: { keys, values } };
}

export interface Written {
  readonly name: string;
  readonly value: unknown;
}

/**
 * The metrics that a command writes; those known only by an alias have an empty name.
 * @throws Error if it is not a Sparkplug payload
 */
export function decodeCommand(payload: Uint8Array): Written[] {
  return (Payload.decode(payload).metrics as WireMetric[]).map((metric) => {
    // The value field that is set.
    const set = metric.isNull ? undefined : metric.value;
    return { name: metric.name, value: set === undefined ? null : metric[set] };
  });
}
