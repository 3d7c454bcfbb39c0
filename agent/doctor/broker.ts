/** Checks the broker: a separate connection, and the round trip of one message. */
import { randomBytes } from 'node:crypto';
import { readKeyPair } from '../../config/certificate.ts';
import { QcError } from '../../config/errors.ts';
import type { Config, MqttConfig } from '../../config/schema.ts';
import { redactUrl } from '../../config/secrets.ts';
import type { BrokerLink } from '../publish/link.ts';
import { expiring, type Finding, failure, good, warning } from './finding.ts';
import type { RunningAgent } from './http.ts';
import { checkTopics, connector } from './topics.ts';

/** Maximum wait for a message to come back, ms. */
const echoMs = 4_000;

const otherPort =
  'check the scheme and port in mqtt.url: mqtt:// (usually port 1883) and mqtts:// (usually 8883) need different ports';

/** Errors of TLS on a plain port, and the other way round. */
function closedEarly(error: unknown): error is QcError {
  return (
    error instanceof QcError &&
    error.code === 'broker-unreachable' &&
    /ECONNRESET|closes the connection/.test(error.message)
  );
}

/**
 * Publishes below `<topic>/doctor/`, waits for the message to come back, and tests every topic of the agent. The client
 * ids differ from that of the agent: a running agent and its last will are not disturbed; permissions of the agent's client id
 * do not apply to the doctor.
 * @param running the agent that uses these topics now; undefined if none is running
 * @throws QcError broker-… if the connection fails
 */
export async function checkBroker(
  config: Pick<Config, 'mqtt' | 'cameras'>,
  running: RunningAgent | undefined,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { mqtt } = config;
  const id = randomBytes(4).toString('hex');
  const topic = `${mqtt.topic}/doctor/${id}`;
  const startedAt = performance.now();
  const options = { ...mqtt, clientId: `${mqtt.clientId}-doctor` };
  const connect = connector(options, signal);
  // Empty and retained: if the doctor dies, the last will leaves nothing at the broker.
  const connectWithWill = connector({ ...options, will: { topic, payload: '' } }, signal);
  await using link = await connectWithWill().catch(async (error: unknown) => {
    throw closedEarly(error) ? await whyClosedEarly(error, mqtt, topic, signal) : error;
  });
  const user = mqtt.username === undefined ? 'a client without a user' : `the user ${mqtt.username}`;
  const remedy = `allow ${user} to publish and subscribe below ${mqtt.topic}/# (access list of the broker)`;
  const as = mqtt.username === undefined ? '' : ` as ${mqtt.username}`;
  const url = `${redactUrl(mqtt.url)}${as}, MQTT ${link.version}`;
  let there: Finding;
  let topics: Finding[];
  try {
    await echo(link, topic, JSON.stringify(id), signal);
    const tookMs = Math.round(performance.now() - startedAt);
    there = good('broker', `${url}, round trip of a message ${tookMs} ms`);
    topics = await checkTopics(config, { connect, running });
  } catch (error) {
    signal.throwIfAborted();
    topics = await checkTopics(config, { connect, running });
    // Brokers drop forbidden messages, refuse them or disconnect; few report them. Some allow only the topics of the agent.
    const isEnough = link.version === '5' && topics.every(({ ok }) => ok);
    const what = `connected, but a message to ${topic} did not come back: ${(error as Error).message}`;
    there = isEnough ? warning('broker', `${url}, ${what}`, remedy) : failure('broker', what, remedy);
  }
  return [
    there,
    ...expiring('broker', 'the certificate of the broker', link.certificateValidTo),
    ...(mqtt.cert && mqtt.key
      ? expiring(
          'broker',
          `mqtt.cert (${mqtt.cert})`,
          (await readKeyPair({ cert: mqtt.cert, key: mqtt.key })).validTo,
        )
      : []),
    ...topics,
  ];
}

/** MQTT 3.1.1 has no error code for a refused last will. */
async function whyClosedEarly(
  error: QcError,
  mqtt: MqttConfig,
  topic: string,
  signal: AbortSignal,
): Promise<QcError> {
  const allowed = [
    { retain: false, qos: mqtt.qos, remedy: 'set mqtt.retain: false' },
    { retain: false, qos: 0, remedy: 'set mqtt.retain: false and mqtt.qos: 0' },
  ] as const;
  for (const { remedy, ...other } of allowed) {
    const options = { ...mqtt, ...other, clientId: `${mqtt.clientId}-doctor` };
    const connect = connector({ ...options, will: { topic, payload: '' } }, signal);
    try {
      await using _ = await connect();
      return new QcError('broker-refused', `${error.message} because of the last will`, { remedy });
    } catch {
      signal.throwIfAborted();
    }
  }
  return new QcError('broker-unreachable', error.message, { remedy: otherPort });
}

async function echo(link: BrokerLink, topic: string, text: string, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no message came back')), echoMs);
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
