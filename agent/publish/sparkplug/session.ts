/** One attempt: connect, wait for the primary host, be born, send what waits, until connection or host is lost. */
import { QcError } from '../../../config/errors.ts';
import type { FaultLog } from '../../lifecycle/log.ts';
import { type BrokerOptions, connectBroker } from '../broker.ts';
import { drain, type Lane } from '../drain.ts';
import type { BrokerLink, Incoming } from '../link.ts';
import type { Result } from '../messages.ts';
import { afterAbort } from '../mqtt.ts';
import { Waiting } from '../outbox/waiting.ts';
import { Window } from '../window.ts';
import type { BdSeq } from './bd-seq.ts';
import { EdgeNode, type EdgeNodeOptions, type MessageType } from './edge-node.ts';
import { atMostEvery } from './limit.ts';
import { bdSeqMetric, rebirthName } from './metrics.ts';
import { decodeCommand, encodePayload, type Written } from './payload.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { SparkplugTopics } from './topics.ts';

export interface SessionOptions extends Pick<EdgeNodeOptions, 'topics' | 'devices' | 'up' | 'facts'> {
  readonly broker: Omit<BrokerOptions, 'will' | 'willOnClose' | 'onConnect'>;
  /** How long closing may go on sending what waits, ms. */
  readonly flushMs: number;
}

export interface SessionDeps {
  readonly faults: FaultLog;
  readonly bdSeq: BdSeq;
  /** Undefined if none is waited for. */
  readonly host: PrimaryHost | undefined;
  /** Told where the host is away for longer than its retained STATE takes to arrive. */
  onWaiting(host: PrimaryHost): void;
  /** Told just before the births. */
  onBirth(session: EdgeNodeSession): void;
  /** The broker does not take a message of this size: it was not sent. */
  refused(type: MessageType, error: QcError): void;
  /** Sent with QoS 0, or acknowledged where it is a death. */
  published(type: MessageType): void;
}

export interface EdgeNodeSession {
  readonly version: BrokerLink['version'];
  readonly bdSeq: number;
  /** A camera came or went, or something the node says of itself is different. */
  changed(): void;
}

/** Results of one camera that the broker has not confirmed. */
const windowSize = 16;
/** Time for the last word to be acknowledged when closing, ms. */
const goodbyeMs = 500;
/** Time for a retained STATE to arrive before anybody is told that it is missing, ms. */
const stateMs = 1_000;
/** Between two births that are asked for, ms: a host that asks without end must not make the node flood the broker. */
const rebirthMs = 1_000;

/**
 * Runs until the link is lost or the primary host goes offline, which throws, or until the signal aborts: then sends
 * what waits within `flushMs`, publishes its own death and resolves. Data has QoS 0 by the specification, which
 * nobody acknowledges: it leaves the outbox once the broker has answered a ping that was sent after it.
 * @throws QcError broker-…, sparkplug-host-offline
 */
export async function runSession(
  options: SessionOptions,
  deps: SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  const { topics, devices, flushMs } = options;
  const { host } = deps;
  let bdSeq = 0;
  await using link = await connectBroker(
    {
      ...options.broker,
      async will() {
        bdSeq = await deps.bdSeq.forConnect();
        return { topic: topics.nodeDeath, payload: death(bdSeq), retain: false };
      },
      onConnect: deps.bdSeq.sent,
      willOnClose: true,
    },
    signal,
  );
  const ended = new AbortController();
  using over = eitherOf(signal, ended.signal);
  link.onLost((error) => ended.abort(error));
  // A broker that answers nothing any more must not hold up the end.
  using _goodbye = afterAbort(signal, flushMs + goodbyeMs, () => link.cut());

  const node = new EdgeNode({
    ...options,
    bdSeq,
    send(type, topic, payload) {
      const refusal = link.obstacle(topic, payload);
      if (refusal) {
        deps.refused(type, refusal);
        // Without its birth a node has nothing to say.
        if (type === 'NBIRTH') ended.abort(refusal);
        return false;
      }
      link.write(topic, payload).then(
        () => deps.published(type),
        (error) => ended.abort(error),
      );
      return true;
    },
  });
  using rebirths = atMostEvery(rebirthMs, () => node.isBorn && node.birth());
  host?.connecting();
  const told = new Waiting();
  const filters = [topics.nodeCommand, ...devices.map(({ camera }) => topics.deviceCommand(camera))];
  link.onMessage((message) => {
    if (host && message.topic === topics.state22(host.id)) {
      host.told22();
      if (!host.isOnline) deps.onWaiting(host);
      return;
    }
    if (!host || message.topic !== topics.state(host.id))
      return obey(message, topics.nodeCommand, () => node.isBorn && rebirths.ask(), deps);
    hear(message, host, deps);
    told.wake();
    if (node.isBorn && !host.isOnline) ended.abort(offline(host));
  });
  const refused = await link.subscribe(host ? [...filters, topics.state(host.id)] : filters);
  const unheard = host && refused.get(topics.state(host.id));
  if (unheard) throw unheard;
  for (const { line } of refused.values()) deps.faults.warn(`${line}; everything else goes on`);

  const late = () => {
    deps.onWaiting(host!);
    if (host!.mayAsk22) void askFor22(host!, link, topics);
  };
  if (host && !(await comesOnline(host, told, late, over.signal))) {
    // Not born, so there is no death to publish; cut off, the broker publishes the will.
    link.cut();
    throw over.signal.reason;
  }
  deps.onBirth({ version: link.version, bdSeq, changed: () => node.changed() });
  node.birth();
  const left = new Waiting();
  for (const device of devices) {
    const lane: Lane<Result> = {
      outbox: device.outbox,
      after: 0,
      upTo: Number.POSITIVE_INFINITY,
      urgent: false,
      topic: () => topics.deviceData(device.camera),
      async send(entry) {
        if (!(await node.data(device, entry, ended.signal))) return 'refused';
        await link.confirm();
        return 'sent';
      },
    };
    const window = new Window(windowSize, ended.signal);
    drain([lane as Lane<never>], { window, ended, onLeft: () => left.wake() });
  }
  await aborted(over.signal);
  if (signal.aborted) {
    const isEmpty = () => devices.every(({ camera, outbox }) => !node.lives(camera) || outbox.size === 0);
    using _deadline = afterAbort(signal, flushMs, () => ended.abort(signal.reason));
    await left.until(() => isEmpty() || undefined, ended.signal).catch(() => undefined);
  }
  node.end();
  ended.abort(signal.reason);
  await link.publish(topics.nodeDeath, death(bdSeq));
  deps.published('NDEATH');
  if (!signal.aborted) throw ended.signal.reason;
}

/** NDEATH: a number, and no place in the sequence of messages (§6.4.23). */
function death(bdSeq: number): Buffer {
  const timestamp = Date.now();
  return encodePayload({ timestamp, metrics: [bdSeqMetric(bdSeq, timestamp)] }, 'defines');
}

const offline = ({ id }: PrimaryHost) =>
  new QcError('sparkplug-host-offline', `the primary host ${id} is offline`);

/** Takes a STATE message in, and says what is odd about it. */
function hear({ payload }: Incoming, host: PrimaryHost, { faults }: SessionDeps): void {
  const told = host.told(payload);
  if (told === 'unreadable') faults.warn(`STATE of host ${host.id} is not what Sparkplug 3.0 says: ignored`);
  if (told === 'outdated') faults.warn(`a STATE of host ${host.id} is older than one before: ignored`);
}

/** Hands a rebirth request on. Nothing else can be written, which is said once in a while. */
function obey(message: Incoming, nodeCommand: string, rebirth: () => void, { faults }: SessionDeps): void {
  if (message.retained) {
    // A message of no bytes is how a retained one is cleared.
    if (message.payload.length > 0) faults.warn('a retained command is refused: it may be from long ago');
    return;
  }
  let written: Written[];
  try {
    written = decodeCommand(message.payload);
  } catch {
    faults.warn('a command that is no Sparkplug payload is ignored');
    return;
  }
  const isRebirth = ({ name, value }: Written) =>
    message.topic === nodeCommand && name === rebirthName && typeof value === 'boolean';
  for (const { name } of written.filter((one) => !isRebirth(one)).slice(0, 5)) {
    faults.warn(
      `${message.topic} writes ${JSON.stringify(name.slice(0, 64))}, which cannot be written: ignored`,
    );
  }
  if (written.some((one) => isRebirth(one) && one.value === true)) rebirth();
}

/** A host that is silent may speak Sparkplug 2.2. An access list that forbids to ask must not end every connection. */
async function askFor22(host: PrimaryHost, link: BrokerLink, topics: SparkplugTopics): Promise<void> {
  host.mayAsk22 = false;
  const refused = await link.subscribe([topics.state22(host.id)]).catch(() => undefined);
  host.mayAsk22 = refused !== undefined;
}

/** Waits for the host; false if the attempt is over before. @param late called where it takes a while */
async function comesOnline(
  host: PrimaryHost,
  told: Waiting,
  late: () => void,
  over: AbortSignal,
): Promise<boolean> {
  const timer = setTimeout(late, stateMs);
  try {
    return await told.until(() => host.isOnline || undefined, over);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Aborts with the first of the two. Not AbortSignal.any: Node 20 may collect it, and then nothing ever ends. */
function eitherOf(...signals: readonly AbortSignal[]): { readonly signal: AbortSignal } & Disposable {
  const either = new AbortController();
  const abort = () => either.abort(signals.find(({ aborted }) => aborted)?.reason);
  for (const signal of signals) signal.addEventListener('abort', abort);
  if (signals.some((signal) => signal.aborted)) abort();
  return {
    signal: either.signal,
    [Symbol.dispose]() {
      for (const signal of signals) signal.removeEventListener('abort', abort);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
