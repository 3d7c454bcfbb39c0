/** What a broker takes, as its CONNACK says (MQTT 5 §3.2.2.3), and how large a message is on the wire. */
import type { MqttClient } from 'mqtt';

export interface BrokerLimits {
  /** Largest packet, bytes; infinite where the broker names none, as always before version 5. */
  readonly maximumPacketSize: number;
  /** Unacknowledged QoS 1 messages (MQTT 5 §3.3.4); 65,535 before version 5. */
  readonly receiveMaximum: number;
  readonly maximumQos: 0 | 1;
  /** Whether QoS 2 is possible as far as the broker says; only the doctor uses it. */
  readonly qos2: boolean;
  /** Whether retained messages are published as such. */
  readonly retain: boolean;
  /** Whether a subscription may have wildcards. */
  readonly wildcards: boolean;
}

/** @param allowed what the configuration allows, and earlier connections have found to be possible */
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
  // The content type comes with the indicator of its format, two bytes.
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

/** Bytes that a length takes (MQTT 5 §1.5.5). */
function lengthBytes(length: number): number {
  return length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4;
}
