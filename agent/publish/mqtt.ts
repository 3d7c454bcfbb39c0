/** One attempt: connect, say who we are, listen for commands, send what waits, until the connection is lost. */
import type { Log } from '../lifecycle/log.ts';
import { type BrokerLink, type BrokerOptions, connectBroker, type Incoming } from './broker.ts';
import { isMessageUnacceptable } from './broker-error.ts';
import type { CommandDesk } from './commands.ts';
import { drain, type Lane } from './drain.ts';
import type { CameraVerdict, MqttOutbox } from './letters.ts';
import type { Handshake, Result, Status, Will } from './messages.ts';
import type { Numbered, OutboxEntry } from './outbox/outbox.ts';
import type { Topics } from './topics.ts';

export interface SessionOptions {
  readonly broker: Omit<BrokerOptions, 'will'>;
  readonly topics: Topics;
  /** How long closing may go on sending what waits, ms. */
  readonly flushMs: number;
}

export interface SessionDeps {
  readonly log: Log;
  readonly outbox: MqttOutbox;
  readonly desk: CommandDesk;
  status(): Status;
  /** The handshake of each camera that is triggered by command. */
  handshakes(): readonly Handshake[];
  /** From when it can be used until the attempt ends. */
  onSession(session: Session): void;
  published(kind: PublishedKind, part?: Numbered): void;
}

export interface Session {
  readonly version: BrokerLink['version'];
  /** Publishes the status as it is when its turn comes; several calls in a row may share one message. */
  statusChanged(): void;
  /** Likewise for what has changed of the handshakes. */
  handshakesChanged(): void;
}

export type PublishedKind = 'result' | 'verdict' | 'status' | 'handshake' | 'reply';

/** Unacknowledged messages; brokers commonly take 20 at a time. */
const windowSize = 16;

/** Time for the last status to be acknowledged when closing, ms. */
const goodbyeMs = 500;

/**
 * Runs until the connection is lost, which throws, or until the signal aborts: then sends what waits
 * within `flushMs`, says goodbye and resolves. A message leaves the outbox only on its PUBACK, so that
 * after a loss the next attempt sends the rest again, in order (QoS 1: at least once).
 * @throws QcError broker-…
 */
export async function runSession(
  options: SessionOptions,
  deps: SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  const { topics } = options;
  const { outbox } = deps;
  await using link = await connectBroker(
    { ...options.broker, will: { topic: topics.status, payload: offline('connection lost') } },
    signal,
  );
  // What was put before now has waited for the broker.
  const before = { results: outbox.results.newestId, verdicts: outbox.verdicts.newestId };
  const ended = new AbortController();
  link.onLost((error) => ended.abort(error));
  // A broker that answers nothing any more must not hold up the end.
  using _goodbye = afterAbort(signal, options.flushMs + goodbyeMs, () => link.cut());

  const statusChanged = createRetainedPublisher(ended, async () => {
    await link.publish(topics.status, JSON.stringify(deps.status()), { retain: true });
    deps.published('status');
  });
  const handshakesChanged = createRetainedPublisher(ended, createHandshakePublisher(link, topics, deps));
  await statusChanged();
  await handshakesChanged();
  await link.subscribe(topics.commands, (message) => {
    // Once stopping, nothing new is begun.
    if (!signal.aborted) void answer(message, link, topics, deps);
  });
  deps.onSession({
    version: link.version,
    statusChanged: () => void statusChanged(),
    handshakesChanged: () => void handshakesChanged(),
  });

  const lanes = lanesOver(link, topics, deps, before);
  await drainAll(lanes, link, deps, { signal, ended, flushMs: options.flushMs });
  await Promise.all(deps.handshakes().map((handshake) => tellHandshake(link, topics, stopped(handshake))));
  await link.publish(topics.status, offline('stopped'), { retain: true });
}

/** Calls `then` this long after the signal aborts, unless disposed of before. */
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

function tellHandshake(link: BrokerLink, topics: Topics, handshake: Handshake): Promise<void> {
  return link.publish(topics.handshake(handshake.camera), JSON.stringify(handshake), { retain: true });
}

/** Publishes the handshakes that are not what was published last. */
function createHandshakePublisher(link: BrokerLink, topics: Topics, deps: SessionDeps): () => Promise<void> {
  const told = new Map<string, string>();
  return async () => {
    for (const handshake of deps.handshakes()) {
      const text = JSON.stringify(handshake);
      if (told.get(handshake.camera) === text) continue;
      await tellHandshake(link, topics, handshake);
      told.set(handshake.camera, text);
      deps.published('handshake');
    }
  };
}

/** At most one message is on its way and one waits; what changes meanwhile goes with the waiting one. */
function createRetainedPublisher(ended: AbortController, tell: () => Promise<void>): () => Promise<void> {
  let isSending = false;
  let changed = false;
  return async () => {
    changed = true;
    if (isSending) return;
    isSending = true;
    try {
      // Once ended, nothing may follow the last word, which is `online: false`.
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

async function answer(message: Incoming, link: BrokerLink, topics: Topics, deps: SessionDeps): Promise<void> {
  const name = topics.commandOf(message.topic);
  // A retained message of no bytes is how a retained one is cleared (MQTT 3.1.1 §3.3.1.3): no command.
  if (name === undefined || (message.payload.length === 0 && !message.responseTopic)) return;
  const { payload, retained, responseTopic, correlationData } = message;
  const named = responseTopic !== undefined && topics.acceptsResponse(responseTopic);
  try {
    const reply = await deps.desk.handle({ name, payload, retained });
    await link.publish(
      named ? responseTopic : topics.reply(name),
      JSON.stringify(reply),
      correlationData ? { correlationData } : {},
    );
    deps.published('reply');
  } catch (error) {
    // Nothing that comes in by a message may end the process. Whoever asked may ask again.
    deps.log.warn({ err: error, command: name.slice(0, 64) }, 'a reply could not be sent');
  }
}

interface DrainEnds {
  /** Close is wanted: send what waits, then end. */
  readonly signal: AbortSignal;
  /** Aborted with the reason when the link is lost or the broker refuses a message. */
  readonly ended: AbortController;
  readonly flushMs: number;
}

/**
 * Results keep their order, whatever has waited. A live verdict does not wait behind verdicts that have: those are too
 * late for whoever acts on them, and follow in an order of their own, marked.
 */
function lanesOver(
  link: BrokerLink,
  topics: Topics,
  { outbox, published }: SessionDeps,
  before: { readonly results: number; readonly verdicts: number },
): Lane<never>[] {
  const { results, verdicts } = outbox;
  const result: Lane<Result> = {
    outbox: results,
    after: 0,
    upTo: Number.POSITIVE_INFINITY,
    urgent: false,
    async send({ id, message }) {
      const publishedAt = new Date().toISOString();
      const payload = { ...message, publishedAt, historical: id <= before.results };
      await link.publish(topics.result(message.camera), JSON.stringify(payload));
      published('result');
    },
  };
  const sendVerdict = async ({ id, message }: OutboxEntry<CameraVerdict>) => {
    const { camera, verdict } = message;
    const historical = id <= before.verdicts;
    const payload = historical ? { ...verdict, historical } : verdict;
    await link.publish(topics.verdict(camera), JSON.stringify(payload));
    published('verdict', historical ? undefined : { camera, sequence: verdict.sequence });
  };
  const verdict = { outbox: verdicts, send: sendVerdict };
  const late: Lane<CameraVerdict> = { ...verdict, after: 0, upTo: before.verdicts, urgent: false };
  const live: Lane<CameraVerdict> = {
    ...verdict,
    after: before.verdicts,
    upTo: Number.POSITIVE_INFINITY,
    urgent: true,
  };
  return [live, result, late] as Lane<never>[];
}

/** Sends everything until the link is lost, which throws, or until close is wanted and what waits was sent. */
async function drainAll(
  lanes: readonly Lane<never>[],
  link: BrokerLink,
  deps: SessionDeps,
  { signal, ended, flushMs }: DrainEnds,
): Promise<void> {
  const flushed = Symbol('flushed');
  const isEmpty = () => lanes.every(({ outbox }) => outbox.size === 0);
  const stop = () => {
    if (isEmpty()) ended.abort(flushed);
  };
  using _deadline = afterAbort(signal, flushMs, () => ended.abort(flushed));
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop);
  try {
    await drain(lanes, {
      window: Math.min(windowSize, link.receiveMaximum),
      ended,
      isUnacceptable(error, { id }) {
        const never = isMessageUnacceptable(error);
        if (never) deps.log.error({ err: error, id }, 'the broker will never take a message: dropped');
        return never;
      },
      onLeft() {
        if (signal.aborted) stop();
      },
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (ended.signal.reason !== flushed) throw ended.signal.reason;
}
