/**
 * One attempt: connect, wait for the primary host, publish births, send pending results until connection or host is lost.
 */
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
  /** Maximum time for sending pending results when closing, ms. */
  readonly flushMs: number;
}

export interface SessionDeps {
  readonly faults: FaultLog;
  readonly bdSeq: BdSeq;
  /** The host to wait for, if any. */
  readonly host: PrimaryHost | undefined;
  /** Called if the retained STATE of the host does not arrive in time. */
  onWaiting(host: PrimaryHost): void;
  /** Called just before the births. */
  onBirth(session: EdgeNodeSession): void;
  /** The message exceeds the broker's limits and was not sent. */
  refused(type: MessageType, error: QcError): void;
  /** Sent with QoS 0; a death is acknowledged. */
  published(type: MessageType): void;
}

export interface EdgeNodeSession {
  readonly version: BrokerLink['version'];
  readonly bdSeq: number;
  /** To be called when a camera came up or went down, or a metric of the node changed. */
  changed(): void;
}

/** Maximum number of results of one camera that the broker has not confirmed. */
const windowSize = 16;
/** Time for the last message to be acknowledged when closing, ms. */
const goodbyeMs = 500;
/** Time for a retained STATE to arrive before it is reported as missing, ms. */
const stateMs = 1_000;
/** Minimum time between two requested births, ms: a host that keeps requesting must not make the node flood the broker. */
const rebirthMs = 1_000;

/**
 * Runs until the link is lost or the primary host goes offline, which throws, or until the signal aborts: then sends
 * pending results within `flushMs`, publishes its death and resolves. Data has QoS 0 by the specification, without
 * acknowledgement: it is removed from the outbox once the broker has answered a ping that was sent after it.
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
  // A broker that no longer answers must not block closing.
  using _goodbye = afterAbort(signal, flushMs + goodbyeMs, () => link.cut());

  const node = new EdgeNode({
    ...options,
    bdSeq,
    send(type, topic, payload) {
      const refusal = link.obstacle(topic, payload);
      if (refusal) {
        deps.refused(type, refusal);
        // Without its birth a node must not publish anything.
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
      return handleCommand(message, topics.nodeCommand, () => node.isBorn && rebirths.ask(), deps);
    handleState(message, host, deps);
    told.wake();
    if (node.isBorn && !host.isOnline) ended.abort(offline(host));
  });
  const refused = await link.subscribe(host ? [...filters, topics.state(host.id)] : filters);
  const unheard = host && refused.get(topics.state(host.id));
  if (unheard) throw unheard;
  for (const { line } of refused.values()) deps.faults.warn(`${line}; everything else continues`);

  const late = () => {
    deps.onWaiting(host!);
    if (host!.mayAsk22) void askFor22(host!, link, topics);
  };
  if (host && !(await waitForHost(host, told, late, over.signal))) {
    // Without a birth there is no death to publish; after a cut the broker publishes the will.
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
    const isEmpty = () => devices.every(({ camera, outbox }) => !node.isAlive(camera) || outbox.size === 0);
    using _deadline = afterAbort(signal, flushMs, () => ended.abort(signal.reason));
    await left.until(() => isEmpty() || undefined, ended.signal).catch(() => undefined);
  }
  node.end();
  ended.abort(signal.reason);
  await link.publish(topics.nodeDeath, death(bdSeq));
  deps.published('NDEATH');
  if (!signal.aborted) throw ended.signal.reason;
}

/** NDEATH contains bdSeq and has no sequence number (§6.4.23). */
function death(bdSeq: number): Buffer {
  const timestamp = Date.now();
  return encodePayload({ timestamp, metrics: [bdSeqMetric(bdSeq, timestamp)] }, 'defines');
}

const offline = ({ id }: PrimaryHost) =>
  new QcError('sparkplug-host-offline', `the primary host ${id} is offline`);

/** Handles a STATE message, and logs it if it is invalid or outdated. */
function handleState({ payload }: Incoming, host: PrimaryHost, { faults }: SessionDeps): void {
  const told = host.told(payload);
  if (told === 'unreadable')
    faults.warn(`STATE of host ${host.id} does not conform to Sparkplug 3.0: ignored`);
  if (told === 'outdated') faults.warn(`a STATE of host ${host.id} is older than an earlier one: ignored`);
}

/** Handles a rebirth request. Nothing else can be written, which is logged at intervals. */
function handleCommand(
  message: Incoming,
  nodeCommand: string,
  rebirth: () => void,
  { faults }: SessionDeps,
): void {
  if (message.retained) {
    // An empty message clears a retained one.
    if (message.payload.length > 0) faults.warn('a retained command is refused: it may be from long ago');
    return;
  }
  let written: Written[];
  try {
    written = decodeCommand(message.payload);
  } catch {
    faults.warn('a command that is not a Sparkplug payload is ignored');
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

/** A silent host may use Sparkplug 2.2. If an access list forbids this subscription, it must not end every connection. */
async function askFor22(host: PrimaryHost, link: BrokerLink, topics: SparkplugTopics): Promise<void> {
  host.mayAsk22 = false;
  const refused = await link.subscribe([topics.state22(host.id)]).catch(() => undefined);
  host.mayAsk22 = refused !== undefined;
}

/** Waits for the host; false if the attempt ends before. @param late called if it takes long */
async function waitForHost(
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

/**
 * Aborts with the first of the two. AbortSignal.any is not used: Node 20 may garbage-collect it, and then the wait never
 * ends.
 */
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
