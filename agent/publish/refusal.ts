/** Refusals by a broker: of one message, a topic, or a subscription. */
import { QcError } from '../../config/errors.ts';
import { isClosed, reasonOf } from './broker-error.ts';

/** Values of a metric label: never rename one. */
const refusalReasons = [
  'too-large',
  'payload',
  'not-authorized',
  'topic',
  'quota',
  'retain',
  'qos',
  'disconnected',
  'other',
] as const;
export type RefusalReason = (typeof refusalReasons)[number];

/** Reason codes of PUBACK, SUBACK and DISCONNECT (MQTT 5 §2.4). */
const byCode: Readonly<Record<number, RefusalReason>> = {
  135: 'not-authorized',
  143: 'topic',
  144: 'topic',
  149: 'too-large',
  151: 'quota',
  153: 'payload',
  154: 'retain',
  155: 'qos',
  162: 'topic',
};
/**
 * Reason codes of a DISCONNECT that are no more specific than a closed connection: unspecified, malformed, protocol,
 * implementation.
 */
const unspecific: readonly unknown[] = [0x80, 0x81, 0x82, 0x83];

const texts: Readonly<Record<RefusalReason, string>> = {
  'too-large': 'the message is too large',
  payload: 'payload format invalid',
  'not-authorized': 'not authorized',
  topic: 'the topic name is not valid',
  quota: 'quota exceeded',
  retain: 'retained messages are not supported',
  qos: 'QoS 1 is not supported',
  disconnected: 'the broker closes the connection each time',
  other: 'no reason given',
};
export const textOf = (reason: RefusalReason): string => texts[reason];

const refusals = new WeakMap<QcError, RefusalReason>();

/** The refusal in an acknowledgement; undefined if it is something else. */
export function toRefusal(
  error: unknown,
  where: string,
  topic: string,
  what: 'message' | 'subscription' = 'message',
): QcError | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string };
  if (typeof code !== 'number' || code < 0x80) return undefined;
  const reason = byCode[code] ?? 'other';
  // If the message was not sent because of its size, the text states the size.
  const made = refusalError(topic, what, reason, code === 0x95 ? message : undefined, where);
  refusals.set(made, reason);
  return made;
}

/** @param where host and port, if the broker has answered */
export function refusalError(
  topic: string,
  what: 'message' | 'subscription',
  reason: RefusalReason,
  detail?: string,
  where?: string,
): QcError {
  const broker = where === undefined ? 'the broker' : `broker ${where}`;
  const why = detail ? `${texts[reason]} (${detail})` : texts[reason];
  if (what === 'subscription') {
    return new QcError(
      'broker-subscription-refused',
      `${broker} refuses the subscription to ${topic}: ${why}`,
    );
  }
  const text = `${broker} refuses messages on ${topic}: ${why}`;
  if (isOfMessage(reason)) return new QcError('broker-message-refused', text);
  const remedy =
    reason === 'disconnected'
      ? "check the broker's log: its access list may forbid the topic, or the message may exceed its size limit"
      : undefined;
  return new QcError('broker-topic-refused', text, remedy === undefined ? {} : { remedy });
}

/** Whether the message itself is permanently refused (instead of its topic for some time). */
export function isOfMessage(reason: RefusalReason): boolean {
  return reason === 'too-large' || reason === 'payload';
}

/** Why this message or subscription was refused; undefined for any other error. */
export function refusalReasonOf(error: unknown): RefusalReason | undefined {
  return error instanceof QcError ? refusals.get(error) : undefined;
}

/** Why the broker may have ended the connection over a message; undefined if the loss has another cause. */
export function lossReasonOf(error: unknown): RefusalReason | undefined {
  const code = reasonOf(error);
  if (code === undefined) return isClosed(error) ? 'disconnected' : undefined;
  return unspecific.includes(code) ? 'disconnected' : byCode[code];
}
