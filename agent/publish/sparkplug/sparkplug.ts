/**
 * The agent as a Sparkplug B edge node, with each camera as a device: keeps one session open and restores it after every
 * failure.
 */
import { join } from 'node:path';
import { QcError } from '../../../config/errors.ts';
import type { Config } from '../../../config/schema.ts';
import { FaultLog, type Log } from '../../lifecycle/log.ts';
import { retry } from '../../lifecycle/retry.ts';
import { type Credentials, loginWith, nextLogin, openSecret } from '../../lifecycle/secret.ts';
import type { BrokerOptions } from '../broker.ts';
import { isLoginRefused } from '../broker-error.ts';
import type { Result } from '../messages.ts';
import type { Letter, OutboxStore } from '../outbox/outbox.ts';
import { type RefusalReason, refusalReasonOf } from '../refusal.ts';
import { openBdSeq } from './bd-seq.ts';
import { openDevice } from './device.ts';
import type { EdgeNodeOptions, MessageType } from './edge-node.ts';
import { PrimaryHost } from './primary-host.ts';
import { type EdgeNodeSession, runSession } from './session.ts';
import { sparkplugTopics } from './topics.ts';

export interface SparkplugOptions {
  readonly groupId: string;
  readonly edgeNodeId: string;
  /** Host application to wait for; default: none. */
  readonly primaryHost?: string | undefined;
  readonly broker: Omit<BrokerOptions, 'will' | 'willOnClose' | 'onConnect'> & Credentials;
  /** The devices. */
  readonly cameras: readonly string[];
  /** Storage directory for state that must survive a restart. */
  readonly storageDirectory: string;
  /** Maximum time for sending pending results when closing, ms; default 2,000. */
  readonly flushMs?: number;
}

/** Is notified of events, for metrics and status. */
export interface SparkplugObserver {
  /** Whether the edge node is born. */
  connected(on: boolean): void;
  published(type: MessageType): void;
  /** The broker refuses a message. */
  refused(type: MessageType, reason: RefusalReason): void;
  /** Why it is not connected, and what to do; empty when that is over. */
  notice(text: string): void;
}

export interface SparkplugDeps extends Pick<EdgeNodeOptions, 'up' | 'facts'> {
  readonly log: Log;
  readonly store: OutboxStore;
  readonly observer: SparkplugObserver;
}

export interface Sparkplug extends AsyncDisposable {
  /** Whether the births are published and results are sent. */
  readonly connected: boolean;
  /** The result as a message for the outbox; the next birth of its camera contains it. */
  letter(result: Result): Letter;
  /** To be called when a camera came up or went down, or a metric of the station changed. */
  changed(): void;
}

/** The required slice of the configuration; undefined if Sparkplug is not configured. */
export function sparkplugOptions(
  config: Pick<Config, 'station' | 'cameras' | 'mqtt' | 'storage'>,
): SparkplugOptions | undefined {
  const { station, cameras, mqtt, storage } = config;
  if (!mqtt.sparkplug) return undefined;
  const {
    groupId,
    edgeNodeId = station,
    primaryHost,
    clientId = `${mqtt.clientId}-sparkplug`,
  } = mqtt.sparkplug;
  return {
    groupId,
    edgeNodeId,
    primaryHost,
    broker: { ...mqtt, clientId },
    cameras: Object.keys(cameras),
    storageDirectory: storage.directory,
  };
}

/**
 * Opens at once and connects in the background. Closing sends pending results within `flushMs` and publishes the death; the
 * rest stays in the outbox.
 */
export async function openSparkplug(options: SparkplugOptions, deps: SparkplugDeps): Promise<Sparkplug> {
  const { observer, store, up, facts } = deps;
  const log = deps.log.child({ component: 'sparkplug' });
  const faults = new FaultLog(log);
  const closing = new AbortController();
  const password = await openSecret(options.broker, log);
  const devices = options.cameras.map((camera) => openDevice(camera, store));
  const byCamera = new Map(devices.map((device) => [device.camera, device]));
  const bdSeq = await openBdSeq(join(options.storageDirectory, 'sparkplug.json'), log);
  const host = options.primaryHost === undefined ? undefined : new PrimaryHost(options.primaryHost);
  const sessionOptions = {
    broker: {
      ...options.broker,
      get password() {
        return password.value;
      },
    },
    topics: sparkplugTopics(options.groupId, options.edgeNodeId),
    devices,
    up,
    facts,
    flushMs: options.flushMs ?? 2_000,
  };
  let session: EdgeNodeSession | undefined;
  observer.connected(false);

  const attempt = async (signal: AbortSignal) => {
    try {
      await runSession(
        sessionOptions,
        {
          faults,
          bdSeq,
          host,
          published: observer.published,
          refused(type, error) {
            observer.refused(type, refusalReasonOf(error) ?? 'other');
            faults.warn(`${type}: ${error.line}; it is not sent`, { code: error.code });
            observer.notice(`${type}: ${error.message}`);
          },
          onWaiting({ id, hint }) {
            const text = `waiting for the primary host ${id}`;
            if (hint) faults.warn(`${text}: ${hint}`);
            else log.info(`${text} to be online`);
            observer.notice(hint ? `${text}: ${hint}` : text);
          },
          onBirth(opened) {
            const { version: protocol, bdSeq } = opened;
            log.info({ protocol, bdSeq }, 'connected to the broker as a Sparkplug edge node');
            observer.notice('');
            session = opened;
            observer.connected(true);
          },
        },
        signal,
      );
    } finally {
      session = undefined;
      observer.connected(false);
    }
  };
  const running = retry(attempt, {
    signal: closing.signal,
    login: loginWith(password, isLoginRefused),
    onFailure(error, waitMs) {
      let reason = error instanceof QcError ? error.line : String(error);
      const refused = isLoginRefused(error);
      if (refused) reason = `${reason}; ${nextLogin(options.broker, waitMs)}`;
      const fields = error instanceof QcError ? { code: error.code } : { err: error };
      if (refused) log.warn(fields, reason);
      else faults.warn(reason, fields);
      observer.notice(reason);
    },
  });

  return {
    get connected() {
      return session !== undefined;
    },
    letter(result) {
      const device = byCamera.get(result.camera)!;
      device.newest = result;
      return device.outbox.letter(result);
    },
    changed() {
      session?.changed();
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
      await password[Symbol.asyncDispose]();
      const waiting = devices.reduce((sum, { outbox }) => sum + outbox.size, 0);
      if (waiting > 0) log.warn({ waiting }, 'stopped with undelivered results');
    },
  };
}
