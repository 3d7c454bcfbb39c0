/** The agent as a Sparkplug B edge node, each camera a device: keeps one session going, whatever happens to it. */
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
  /** What must survive a restart is kept below it. */
  readonly storageDirectory: string;
  /** How long closing may go on sending what waits, ms; default 2,000. */
  readonly flushMs?: number;
}

/** Told what happens, for metrics and status. */
export interface SparkplugObserver {
  /** Whether the edge node is born. */
  connected(on: boolean): void;
  published(type: MessageType): void;
  /** The broker does not take a message. */
  refused(type: MessageType, reason: RefusalReason): void;
  /** Why it is not connected, with what to do; empty when that is over. */
  notice(text: string): void;
}

export interface SparkplugDeps extends Pick<EdgeNodeOptions, 'up' | 'facts'> {
  readonly log: Log;
  readonly store: OutboxStore;
  readonly observer: SparkplugObserver;
}

export interface Sparkplug extends AsyncDisposable {
  /** Born, and sending. */
  readonly connected: boolean;
  /** The result as it is put into the outbox; the next birth of its camera says it. */
  letter(result: Result): Letter;
  /** A camera came or went, or the station says something new of itself. */
  changed(): void;
}

/** The slice of the configuration that it needs; undefined if the station is no edge node. */
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
 * Opens at once and connects in the background. Closing sends what waits within `flushMs` and publishes the death;
 * what is left stays in the outbox.
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
      if (waiting > 0) log.warn({ waiting }, 'stopped with results not delivered');
    },
  };
}
