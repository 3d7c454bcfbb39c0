/**
 * Tests what the broker allows the agent to publish and subscribe to, topic by topic. A message is offered with QoS 2 and never
 * released: brokers that keep it until its release check the access list and deliver nothing. Whether a broker is one
 * of these is tested first, below `<topic>/doctor/`. If it is not, or that cannot be tested, topics are not tested
 * while an agent is running; without one, messages are published that no PLC can mistake for a good part.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { type BrokerOptions, connectBroker } from '../publish/broker.ts';
import type { BrokerLink } from '../publish/link.ts';
import type { Handshake, VerdictMessage, Will } from '../publish/messages.ts';
import { lossReasonOf, refusalReasonOf, textOf } from '../publish/refusal.ts';
import { topicsUnder } from '../publish/topics.ts';
import { type Finding, failure, good, warning } from './finding.ts';
import type { RunningAgent } from './http.ts';

/** Maximum wait for a message that should not arrive, and for an answer, ms. */
const echoMs = 400;
const answerMs = 3_000;
/** A result with few labels has about 850 bytes. */
const resultBytes = 1_000;

export interface TopicsDeps {
  /** Connects like the doctor, with a separate client id. */
  readonly connect: () => Promise<BrokerLink>;
  /** The agent that uses these topics now; undefined if none is running. */
  readonly running: RunningAgent | undefined;
}

interface Candidate {
  readonly topic: string;
  readonly payload: string;
}

export async function checkTopics(
  { mqtt, cameras }: Pick<Config, 'mqtt' | 'cameras'>,
  { connect, running }: TopicsDeps,
): Promise<Finding[]> {
  const topics = topicsUnder(mqtt.topic);
  const needsCommands = Object.values(cameras).some(({ trigger }) => trigger.kind === 'command');
  await using first = await connect();
  const { version, limits } = first;
  const findings = limitFindings(mqtt, limits);
  findings.push(...(await commandFindings(first, topics.commands, { wanted: mqtt.commands, needsCommands })));

  const all = candidates(mqtt.topic, Object.entries(cameras), mqtt.commands);
  const delivery = limits.qos2 ? await deliveryOf(`${mqtt.topic}/doctor/`, connect) : 'at once';
  const isHarmless = delivery === 'on release';
  if (running && !isHarmless) return [...findings, leftAlone(all, running, delivery)];
  const refused: string[] = [];
  for (const candidate of all) {
    const why = await whyRefused(candidate, connect, isHarmless);
    if (why !== undefined) refused.push(`${candidate.topic} (${why})`);
  }
  const user = mqtt.username === undefined ? 'a client without a user' : `the user ${mqtt.username}`;
  if (refused.length > 0) {
    const remedy = `allow ${user} to publish there (access list of the broker); other messages are delivered`;
    findings.push(failure('broker', `refuses messages on ${refused.join(', ')}`, remedy));
  } else if (version === '5') findings.push(good('broker', `accepts messages on ${listed(all)}`));
  else {
    const what = `keeps the connection after messages on ${listed(all)}`;
    findings.push(good('broker', `${what}; MQTT 3.1.1 does not say whether they are delivered`));
  }
  return findings;
}

function limitFindings({ qos, retain }: Config['mqtt'], limits: BrokerLink['limits']): Finding[] {
  const findings: Finding[] = [];
  if (limits.maximumPacketSize < resultBytes) {
    const what = `accepts messages of at most ${limits.maximumPacketSize} bytes; a result has about 850 or more`;
    findings.push(
      failure('broker', what, 'raise the maximum message size of the broker; larger results are discarded'),
    );
  }
  if (qos === 1 && limits.maximumQos === 0) {
    const what = 'supports only QoS 0: messages may be lost with the connection';
    findings.push(warning('broker', what, 'set mqtt.qos: 0 if that is acceptable, or use another broker'));
  }
  if (retain && !limits.retain) {
    const what =
      'does not support retained messages: a client that connects later does not see status and handshakes';
    findings.push(
      warning('broker', what, 'set mqtt.retain: false if that is acceptable, or use another broker'),
    );
  }
  return findings;
}

async function commandFindings(
  link: BrokerLink,
  filter: string,
  { wanted, needsCommands }: { readonly wanted: boolean; readonly needsCommands: boolean },
): Promise<Finding[]> {
  if (!wanted) return [];
  const error = await link.subscribe([filter]).then(
    (refused) => refused.get(filter),
    (cause: unknown) => new QcError('broker-subscription-refused', `${filter}: ${(cause as Error).message}`),
  );
  if (!error) return [];
  if (needsCommands) return [failure('broker', error.message, error.remedy)];
  return [warning('broker', `${error.message}; no camera is triggered by command`, error.remedy)];
}

function candidates(
  base: string,
  cameras: readonly (readonly [string, Config['cameras'][string]])[],
  commands: boolean,
): Candidate[] {
  const topics = topicsUnder(base);
  const reason = 'qc-agent doctor';
  const offline = { schema: 1, online: false, reason } satisfies Will;
  const verdict = (camera: string): Candidate => {
    const message = {
      schema: 1,
      sequence: 1,
      partId: 'qc-agent-doctor',
      verdict: 'uncertain',
      evaluation: 0,
      historical: true,
    } satisfies VerdictMessage;
    return { topic: topics.verdict(camera), payload: JSON.stringify(message) };
  };
  const handshake = (camera: string): Candidate => {
    const message = {
      schema: 1,
      camera,
      session: '00000000000000000000000000',
      state: 'not-ready',
      reason,
      recipe: '',
      jobs: [],
      gone: [],
      unacknowledged: 0,
    } satisfies Handshake;
    return { topic: topics.handshake(camera), payload: JSON.stringify(message) };
  };
  const note = JSON.stringify({ schema: 1, doctor: true, historical: true });
  return [
    { topic: topics.status, payload: JSON.stringify(offline) },
    ...cameras.flatMap(([camera, { trigger }]) => [
      { topic: topics.result(camera), payload: note },
      verdict(camera),
      ...(trigger.kind === 'command' ? [handshake(camera)] : []),
    ]),
    ...(commands ? [{ topic: topics.reply('trigger'), payload: note }] : []),
  ];
}

/** The running agent knows which topics are refused. */
function leftAlone(all: readonly Candidate[], { refused }: RunningAgent, delivery: Delivery): Finding {
  if (refused)
    return failure(
      'broker',
      `the running agent reports: ${refused}`,
      'correct the access list or the limits of the broker',
    );
  const why = delivery === 'at once' ? 'delivers at once' : 'may deliver at once';
  const what = `not tested because an agent is running and this broker ${why}: ${listed(all)}`;
  return good('broker', `${what}; the running agent reports none as refused`);
}

/** When a message of QoS 2 reaches a subscriber; `unknown` if that cannot be tested. */
type Delivery = 'on release' | 'at once' | 'unknown';

async function deliveryOf(below: string, connect: TopicsDeps['connect']): Promise<Delivery> {
  const topic = below + randomBytes(4).toString('hex');
  try {
    await using ear = await connect();
    let hasArrived = false;
    ear.onMessage(() => {
      hasArrived = true;
    });
    if ((await ear.subscribe([topic])).size > 0) return 'unknown';
    await using mouth = await connect();
    await within(mouth.offer(topic, '{}'));
    await sleep(echoMs);
    return hasArrived ? 'at once' : 'on release';
  } catch {
    return 'unknown';
  }
}

/** Each on a separate connection, because the broker may close it. */
async function whyRefused(
  { topic, payload }: Candidate,
  connect: TopicsDeps['connect'],
  isHarmless: boolean,
): Promise<string | undefined> {
  try {
    await using link = await connect();
    await within(isHarmless ? link.offer(topic, payload) : link.publish(topic, payload));
    // A broker that disconnects without an answer does so now.
    if (!isHarmless) await within(link.confirm());
    return undefined;
  } catch (error) {
    const reason = refusalReasonOf(error) ?? lossReasonOf(error);
    return reason === undefined ? (error as Error).message : textOf(reason);
  }
}

function within(answer: Promise<void>): Promise<void> {
  const late = sleep(answerMs, undefined, { ref: false }).then(() => {
    throw new Error('no answer');
  });
  return Promise.race([answer, late]);
}

function listed(all: readonly Candidate[]): string {
  return all.map(({ topic }) => topic).join(', ');
}

/** Opens connections on request, each with another client id that starts with this one. */
export function connector(options: BrokerOptions, signal: AbortSignal): () => Promise<BrokerLink> {
  return () => {
    const id = randomBytes(4).toString('hex');
    return connectBroker({ ...options, clientId: `${options.clientId}-${id}` }, signal);
  };
}
