/** Keeps one session with the broker open and restores it after every failure. */
import { setTimeout as sleep } from 'node:timers/promises';
import { QcError } from '../../config/errors.ts';
import type { MqttConfig } from '../../config/schema.ts';
import { FaultLog, type Log } from '../lifecycle/log.ts';
import { retry } from '../lifecycle/retry.ts';
import { loginWith, nextLogin, openSecret } from '../lifecycle/secret.ts';
import { isLoginRefused } from './broker-error.ts';
import { type CommandHandlers, type CommandRecorder, createCommandDesk } from './commands.ts';
import { LiveMessages } from './live.ts';
import type { Handshake, Status } from './messages.ts';
import { type MqttSession, type PublishedKind, runSession } from './mqtt.ts';
import type { Numbered } from './outbox/outbox.ts';
import type { MqttOutbox } from './part-messages.ts';
import type { RefusalReason } from './refusal.ts';
import { type MessageKind, Refusals } from './refusals.ts';
import { topicsUnder } from './topics.ts';

export type PublisherConfig = Omit<MqttConfig, 'topic' | 'clientId'> & {
  /** Base topic. */
  readonly topic: string;
  readonly clientId: string;
  /** Maximum time for sending pending messages when closing, ms; default 2,000. */
  readonly flushMs?: number;
};

/** Is notified of events, for metrics. */
export interface PublisherObserver {
  connected(on: boolean): void;
  /** The broker has acknowledged it. @param part the part of a verdict that was not delayed */
  published(kind: PublishedKind, part?: Numbered): void;
  /** The broker has refused a message; called once for a topic that remains refused. */
  refused(kind: MessageKind, reason: RefusalReason): void;
  /** What the broker refuses while everything else continues; empty when that is over. */
  notice(text: string): void;
}

export interface PublisherDeps {
  readonly log: Log;
  readonly outbox: MqttOutbox;
  readonly commands: CommandHandlers;
  /** Whether parts are triggered by command: then the station is degraded while it cannot subscribe. */
  readonly needsCommands: boolean;
  readonly recorder: CommandRecorder;
  readonly observer: PublisherObserver;
  /** The retained status, read before it is published. */
  status(): Status;
  /** The retained handshakes, read before they are published. */
  handshakes(): readonly Handshake[];
}

export interface Publisher extends AsyncDisposable {
  /** Status published and commands subscribed; false while the broker is unavailable. */
  readonly connected: boolean;
  /**
   * Why it is not connected, and what to do; while connected, what the broker refuses, or empty. Never contains a password.
   */
  readonly reason: string;
  /** Publishes the status again; not needed while disconnected, because connecting publishes it. */
  statusChanged(): void;
  /** Publishes changed handshakes. */
  handshakesChanged(): void;
}

/**
 * During the search for the message that makes the broker end the connection: number of attempts without back-off, and the
 * pause between them, ms.
 */
const maxAtOnce = 8;
const atOnceMs = 100;

/**
 * Opens at once and connects in the background: inspection does not depend on the broker. Results and verdicts are sent by
 * putting them into the outbox. Closing sends pending messages within `flushMs`, publishes a retained `online: false`, and
 * disconnects; the rest stays in the outbox.
 */
export async function openPublisher(config: PublisherConfig, deps: PublisherDeps): Promise<Publisher> {
  const { observer, outbox } = deps;
  const log = deps.log.child({ component: 'mqtt' });
  const faults = new FaultLog(log);
  const closing = new AbortController();
  const password = await openSecret(config, log);
  const desk = createCommandDesk(deps.commands, {
    log,
    maxAgeMs: config.commandMaxAgeMs,
    recorder: deps.recorder,
  });
  const topics = topicsUnder(config.topic);
  const options = {
    broker: {
      ...config,
      get password() {
        return password.value;
      },
    },
    topics,
    commands: config.commands,
    flushMs: config.flushMs ?? 2_000,
  };
  const waiting = () => outbox.results.size + outbox.verdicts.size;
  const needed = deps.needsCommands ? [topics.commands, topics.command('trigger')] : [];
  const refusals: Refusals = new Refusals({
    log,
    refused: observer.refused,
    onChange: () => observer.notice(refusals.lines(needed).join('; ')),
  });
  const live = new LiveMessages();
  let session: MqttSession | undefined;
  let reason = 'not connected to the broker yet';
  observer.connected(false);

  const attempt = async (signal: AbortSignal) => {
    for (let left = maxAtOnce; ; left--) {
      try {
        return await attemptOnce(signal);
      } catch (error) {
        // The sooner the refused message is found, the less the others are delayed.
        if (!refusals.careful || isLoginRefused(error) || left === 0 || signal.aborted) throw error;
        onFailure(error, atOnceMs);
        await sleep(atOnceMs, undefined, { signal }).catch(() => undefined);
      }
    }
  };
  const attemptOnce = async (signal: AbortSignal) => {
    try {
      await runSession(
        options,
        {
          log,
          outbox,
          desk,
          refusals,
          live,
          status: deps.status,
          handshakes: deps.handshakes,
          published: observer.published,
          onSession(opened) {
            session = opened;
            reason = '';
            faults.clear();
            observer.connected(true);
            log.info(
              { protocol: opened.version, waiting: waiting(), ...notableLimits(opened) },
              'connected to the broker',
            );
          },
        },
        signal,
      );
    } finally {
      session = undefined;
      reason ||= 'the connection was lost';
      observer.connected(false);
    }
  };
  const onFailure = (error: unknown, waitMs: number) => {
    reason = error instanceof QcError ? error.line : String(error);
    const refused = isLoginRefused(error);
    if (refused) reason = `${reason}; ${nextLogin(config, waitMs)}`;
    const fields = error instanceof QcError ? { code: error.code } : { err: error };
    if (refused) log.warn(fields, reason);
    else faults.warn(reason, fields);
  };
  const running = retry(attempt, {
    signal: closing.signal,
    login: loginWith(password, isLoginRefused),
    onFailure,
  });

  return {
    get connected() {
      return session !== undefined;
    },
    get reason() {
      return session ? refusals.lines(needed).join('; ') : reason;
    },
    statusChanged() {
      session?.statusChanged();
    },
    handshakesChanged() {
      session?.handshakesChanged();
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
      await password[Symbol.asyncDispose]();
      if (waiting() > 0)
        log.warn(
          { waiting: waiting() },
          'stopped before everything was sent to the broker: the rest is sent after the next start',
        );
    },
  };
}

/** Limits that are worth logging. */
function notableLimits({ limits }: MqttSession): Record<string, number | boolean> {
  return {
    ...(Number.isFinite(limits.maximumPacketSize) && { maximumPacketSize: limits.maximumPacketSize }),
    ...(limits.maximumQos === 0 && { qos: 0 }),
    ...(!limits.retain && { retain: false }),
  };
}
