/** Limits that a broker announces in its CONNACK (MQTT 5 §3.2.2.3), and the size of a message on the wire. */
import type { MqttClient } from 'mqtt';

export interface BrokerLimits {
  /** Largest packet, bytes; infinite if the broker states none, as always before version 5. */
  readonly maximumPacketSize: number;
  /** Unacknowledged QoS 1 messages (MQTT 5 §3.3.4); 65,535 before version 5. */
  readonly receiveMaximum: number;
  readonly maximumQos: 0 | 1;
  /** Whether the broker announces QoS 2; only `doctor` uses it. */
  readonly qos2: boolean;
  /** Whether retained messages are published as such. */
  readonly retain: boolean;
  /** Whether the broker supports wildcards in subscriptions. */
  readonly wildcards: boolean;
}

/** @param allowed what the configuration allows and what worked on earlier connections */
export function limitsOf(
  { serverProperties: told }: MqttClient,
  allowed: { readonly retain: boolean; readonly qos: 0 | 1 },
): BrokerLimits {
  return {
    maximumPacketSize: told?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    receiveMaximum: told?.receiveMaximum ?? 65_535,
    maximumQos: told?.maximumQoS === 0 ? 0 : allowed.qos,
    qos2: (told?.maximumQoS ?? 2) === 2,
    retain: allowed.retain && told?.retainAvailable !== false,
    wildcards: told?.wildcardSubscriptionAvailable !== false,
  };
}

interface PublishParts {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1;
  readonly version: '5' | '3.1.1';
  readonly contentType?: string | undefined;
  readonly correlationData?: Buffer | undefined;
}

/** Bytes of a PUBLISH packet (MQTT 5 §3.3; 3.1.1 §3.3). */
export function publishBytes({ topic, payload, qos, version, ...properties }: PublishParts): number {
  const text = (value: string) => 2 + Buffer.byteLength(value);
  const { contentType, correlationData } = properties;
  // The content type is sent with a payload format indicator of two bytes.
  const propertyBytes =
    (contentType === undefined ? 0 : 1 + text(contentType) + 2) +
    (correlationData === undefined ? 0 : 3 + correlationData.byteLength);
  const remaining =
    text(topic) +
    (qos > 0 ? 2 : 0) +
    (version === '5' ? lengthBytes(propertyBytes) + propertyBytes : 0) +
    Buffer.byteLength(payload);
  return 1 + lengthBytes(remaining) + remaining;
}

/** Number of bytes that encode a length (MQTT 5 §1.5.5). */
function lengthBytes(length: number): number {
  return length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4;
}
