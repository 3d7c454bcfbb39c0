/** The broker: one connection of the doctor's own, one message there and back. */
import { randomBytes } from 'node:crypto';
import { readKeyPair } from '../../config/certificate.ts';
import { QcError } from '../../config/errors.ts';
import type { MqttConfig } from '../../config/schema.ts';
import { redactUrl } from '../../config/secrets.ts';
import { connectBroker } from '../publish/broker.ts';
import type { BrokerLink } from '../publish/link.ts';
import { expiring, type Finding, failure, good } from './finding.ts';

/** For a message to come back, ms. */
const echoMs = 4_000;

const otherPort =
  'check scheme and port in mqtt.url: mqtt:// (often 1883) and mqtts:// (often 8883) are different ports';

/** What TLS on a plain port comes to, and the other way round. */
function hungUp(error: unknown): error is QcError {
  return (
    error instanceof QcError &&
    error.code === 'broker-unreachable' &&
    /ECONNRESET|connection was closed/.test(error.message)
  );
}

/**
 * Publishes below `<topic>/doctor/` and waits for the message to come back. The client id is its own: a running
 * agent, or its last will, is not disturbed.
 * @throws QcError broker-… where it does not even get that far
 */
export async function checkBroker(mqtt: MqttConfig, signal: AbortSignal): Promise<Finding[]> {
  const id = randomBytes(4).toString('hex');
  const topic = `${mqtt.topic}/doctor/${id}`;
  const startedAt = performance.now();
  const connecting = connectBroker(
    {
      ...mqtt,
      clientId: `${mqtt.clientId}-doctor-${id}`,
      // Empty and retained: should the doctor die, nothing is left at the broker.
      will: { topic, payload: '' },
    },
    signal,
  );
  await using link = await connecting.catch((error: unknown) => {
    throw hungUp(error) ? new QcError('broker-unreachable', error.message, { remedy: otherPort }) : error;
  });
  const user = mqtt.username === undefined ? 'a client without a user' : `the user ${mqtt.username}`;
  const remedy = `let ${user} publish and subscribe below ${mqtt.topic}/# (the broker's access list)`;
  try {
    await echo(link, topic, JSON.stringify(id), signal);
  } catch (error) {
    // Brokers drop, refuse or hang up on what a user may not do; they seldom say so.
    const what = `connected, but no message went to ${topic} and back: ${(error as Error).message}`;
    return [failure('broker', what, remedy)];
  }
  const tookMs = Math.round(performance.now() - startedAt);
  const as = mqtt.username === undefined ? '' : ` as ${mqtt.username}`;
  return [
    good(
      'broker',
      `${redactUrl(mqtt.url)}${as}, MQTT ${link.version}, a message went there and back in ${tookMs} ms`,
    ),
    ...expiring('broker', 'the certificate of the broker', link.certificateValidTo),
    ...(mqtt.cert && mqtt.key
      ? expiring(
          'broker',
          `mqtt.cert (${mqtt.cert})`,
          (await readKeyPair({ cert: mqtt.cert, key: mqtt.key })).validTo,
        )
      : []),
  ];
}

async function echo(link: BrokerLink, topic: string, text: string, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('nothing came back')), echoMs);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      link.onLost(reject);
      link.onMessage((message) => {
        if (message.topic === topic && message.payload.toString() === text) resolve();
      });
      link
        .subscribe([topic])
        .then((refused) => {
          for (const error of refused.values()) throw error;
          return link.publish(topic, text);
        })
        .catch(reject);
    });
  } finally {
    clearTimeout(timer);
  }
}
