/** One attempt: connect, publish the status, receive commands and send pending messages until the connection is lost. */
import type { Log } from '../lifecycle/log.ts';
import { type BrokerOptions, connectBroker } from './broker.ts';
import type { CommandDesk } from './commands.ts';
import { type Drain, drain } from './drain.ts';
import { lanesOver } from './lanes.ts';
import type { BrokerLink, Incoming } from './link.ts';
import type { LiveMessages } from './live.ts';
import type { Handshake, Status, Will } from './messages.ts';
import type { Numbered } from './outbox/outbox.ts';
import type { MqttOutbox } from './part-messages.ts';
import { refusalReasonOf } from './refusal.ts';
import type { Refusals } from './refusals.ts';
import { Sender } from './sender.ts';
import { createSubscription } from './subscription.ts';
import type { Topics } from './topics.ts';
import { Window } from './window.ts';

export interface SessionOptions {
  readonly broker: Omit<BrokerOptions, 'will'>;
  readonly topics: Topics;
  /** Whether to subscribe to commands. */
  readonly commands: boolean;
  /** Maximum time for sending pending messages when closing, ms. */
  readonly flushMs: number;
}

export interface SessionDeps {
  readonly log: Log;
  readonly outbox: MqttOutbox;
  readonly desk: CommandDesk;
  /** Refusals and delays, kept across sessions. */
  readonly refusals: Refusals;
  readonly live: LiveMessages;
  status(): Status;
  /** The handshake of each camera that is triggered by command. */
  handshakes(): readonly Handshake[];
  /** Called when the session can be used; it is valid until the attempt ends. */
  onSession(session: MqttSession): void;
  published(kind: PublishedKind, part?: Numbered): void;
}

export interface MqttSession {
  readonly version: BrokerLink['version'];
  readonly limits: BrokerLink['limits'];
  /** Publishes the status that is current at the time of sending; several calls in a row may share one message. */
  statusChanged(): void;
  /** The same for changed handshakes. */
  handshakesChanged(): void;
}

export type PublishedKind = 'result' | 'verdict' | 'status' | 'handshake' | 'reply';

/** Maximum number of unacknowledged messages; brokers commonly accept 20. */
const windowSize = 16;

/** Time for the last status to be acknowledged when closing, ms. */
const goodbyeMs = 500;

/** Interval of the check for refused messages to try again, ms. */
const retryEveryMs = 250;

/**
 * Runs until the connection is lost, which throws, or until the signal aborts: then sends pending messages within
 * `flushMs`, publishes the offline status and resolves. A message is removed from the outbox only on its PUBACK, so that
 * after a loss the next attempt sends the rest again, in order (QoS 1: at least once). Refused messages do not end the
 * session.
 * @throws QcError broker-…
 */
export async function runSession(
  options: SessionOptions,
  deps: SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  const { topics, broker } = options;
  const { outbox, refusals, live } = deps;
  await using link = await connectBroker(
    {
      ...broker,
      retain: broker.retain && !refusals.unsupported.retain,
      qos: refusals.unsupported.qos ? 0 : broker.qos,
      will: { topic: topics.status, payload: offline('connection lost') },
    },
    signal,
  );
  const before = live.connected({ results: outbox.results.newestId, verdicts: outbox.verdicts.newestId });
  const ended = new AbortController();
  link.onLost((error) => {
    const oldestMs = refusals.lost(error);
    if (oldestMs !== undefined) live.interrupted(oldestMs);
    ended.abort(error);
  });
  // A broker that no longer answers must not block closing.
  using _goodbye = afterAbort(signal, options.flushMs + goodbyeMs, () => link.cut());

  const places = Math.min(windowSize, link.limits.receiveMaximum);
  const window = new Window(places, ended.signal);
  const sender = new Sender(link, refusals, { window, places });
  const statusChanged = createRetainedPublisher(ended, () => publishStatus(sender, topics, deps));
  const handshakesChanged = createRetainedPublisher(ended, createHandshakePublisher(sender, topics, deps));
  await statusChanged();
  await handshakesChanged();
  ended.signal.throwIfAborted();

  const lanes = lanesOver(sender, topics, deps, before);
  const flow = drain(lanes, { window, ended, onLeft: () => signal.aborted && flushed() });
  const flushed = () => flow.isIdle && ended.abort(done);
  link.onMessage((message) => {
    // While stopping, nothing new is started.
    if (!signal.aborted) void answer(message, sender, topics, deps);
  });
  const subscription = createSubscription(sender, topics, refusals, {
    wanted: options.commands,
    wildcards: link.limits.wildcards,
  });
  using _retries = every(retryEveryMs, () => {
    resumeTopics(flow, refusals);
    const isDue = (topic: string) => refusals.topics.isClosed(topic) && refusals.topics.mayTest(topic);
    if (isDue(topics.status)) void statusChanged();
    if (deps.handshakes().some(({ camera }) => isDue(topics.handshake(camera)))) void handshakesChanged();
    subscription.retry().catch((error: unknown) => ended.abort(error));
  });
  await subscription.begin();
  deps.onSession({
    version: link.version,
    limits: link.limits,
    statusChanged: () => void statusChanged(),
    handshakesChanged: () => void handshakesChanged(),
  });

  using _deadline = afterAbort(signal, options.flushMs, () => ended.abort(done));
  using _flush = afterAbort(signal, 0, flushed);
  await flow.done;
  if (ended.signal.reason !== done) throw ended.signal.reason;
  await publishOffline(link, topics, deps);
}

/** Reason of a regular end of the session. */
const done = Symbol('done');

/** Calls `then` this long after the signal aborts, unless disposed before. */
export function afterAbort(signal: AbortSignal, delayMs: number, then: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    timer = setTimeout(then, delayMs);
  };
  if (signal.aborted) start();
  else signal.addEventListener('abort', start);
  return {
    [Symbol.dispose]() {
      signal.removeEventListener('abort', start);
      clearTimeout(timer);
    },
  };
}

const offline = (reason: string) => JSON.stringify({ schema: 1, online: false, reason } satisfies Will);

const stopped = (handshake: Handshake): Handshake => ({
  ...handshake,
  state: 'not-ready',
  reason: 'the agent is stopped',
});

async function publishStatus(sender: Sender, topics: Topics, deps: SessionDeps): Promise<void> {
  const status = deps.status();
  const tell = (message: Status) =>
    sender.sendNow({ kind: 'status', topic: topics.status, payload: JSON.stringify(message), retain: true });
  // If it is too large, it is sent without reasons: the state matters more.
  const outcome = await tell(status);
  const wasTold =
    outcome === 'sent' || (outcome === 'refused' && (await tell({ ...status, reasons: [] })) === 'sent');
  if (wasTold) deps.published('status');
}

/** Publishes handshakes that have changed since they were published last. */
function createHandshakePublisher(sender: Sender, topics: Topics, deps: SessionDeps): () => Promise<void> {
  const told = new Map<string, string>();
  return async () => {
    for (const handshake of deps.handshakes()) {
      const payload = JSON.stringify(handshake);
      const { camera } = handshake;
      if (told.get(camera) === payload) continue;
      const topic = topics.handshake(camera);
      const outcome = await sender.sendNow({ kind: 'handshake', topic, payload, retain: true });
      if (outcome === 'held') continue;
      told.set(camera, payload);
      if (outcome === 'sent') deps.published('handshake');
    }
  };
}

/** Publishes the offline status and handshakes if the broker accepts them. */
async function publishOffline(
  link: BrokerLink,
  topics: Topics,
  { handshakes, refusals }: SessionDeps,
): Promise<void> {
  const say = async (topic: string, payload: string) => {
    if (refusals.topics.isClosed(topic)) return;
    const retain = refusals.topics.mayRetain(topic);
    await link.publish(topic, payload, { retain }).catch((error: unknown) => {
      if (refusalReasonOf(error) === undefined) throw error;
    });
  };
  await Promise.all(
    handshakes().map((handshake) =>
      say(topics.handshake(handshake.camera), JSON.stringify(stopped(handshake))),
    ),
  );
  await say(topics.status, offline('stopped'));
}

function resumeTopics(flow: Drain, { topics }: Refusals): void {
  for (const topic of flow.heldTopics) if (topics.mayTest(topic)) flow.resume(topic);
  flow.retryAside();
}

function every(ms: number, act: () => void): Disposable {
  const timer = setInterval(act, ms);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** At most one message is in flight and one waits; the waiting one contains later changes. */
function createRetainedPublisher(ended: AbortController, tell: () => Promise<void>): () => Promise<void> {
  let isSending = false;
  let changed = false;
  return async () => {
    changed = true;
    if (isSending) return;
    isSending = true;
    try {
      // After the end nothing may follow the last message, which is `online: false`.
      while (changed && !ended.signal.aborted) {
        changed = false;
        await tell();
      }
    } catch (error) {
      ended.abort(error);
    } finally {
      isSending = false;
    }
  };
}

async function answer(message: Incoming, sender: Sender, topics: Topics, deps: SessionDeps): Promise<void> {
  const name = topics.commandOf(message.topic);
  // An empty retained message clears a retained one (MQTT 3.1.1 §3.3.1.3) and is not a command.
  if (name === undefined || (message.payload.length === 0 && !message.responseTopic)) return;
  const { payload, retained, responseTopic, correlationData } = message;
  const named = responseTopic !== undefined && topics.acceptsResponse(responseTopic);
  try {
    const reply = await deps.desk.handle({ name, payload, retained });
    const outcome = await sender.sendNow({
      kind: 'reply',
      topic: named ? responseTopic : topics.reply(name),
      payload: JSON.stringify(reply),
      ...(correlationData && { correlationData }),
    });
    if (outcome === 'sent') deps.published('reply');
  } catch (error) {
    // No received message may end the process. The sender can repeat the command.
    deps.log.warn({ err: error, command: name.slice(0, 64) }, 'a reply could not be sent');
  }
}
