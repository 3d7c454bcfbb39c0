/** Records of parts and changes: the outbox, evidence, statistics, the newest results, the audit log. */
import type { Config } from '../../config/schema.ts';
import { type Audit, openAudit } from '../audit/audit.ts';
import { type Evidence, openEvidence } from '../evidence/evidence.ts';
import { createResultHistory, type ResultHistory } from '../evidence/result-history.ts';
import { createRecent, type RecentStore } from '../http/recent.ts';
import { Closer } from '../lifecycle/closer.ts';
import { type OutboxConfig, openOutbox } from '../publish/outbox/open.ts';
import type { OutboxStore } from '../publish/outbox/outbox.ts';
import { type MqttOutbox, openMqttOutbox } from '../publish/part-messages.ts';
import { openStatistics, type Statistics } from '../statistics/statistics.ts';
import type { Core } from './core.ts';

export interface Records extends AsyncDisposable {
  readonly audit: Audit;
  readonly outbox: OutboxStore;
  /** The queues of the outbox that are sent over MQTT. */
  readonly mqttOutbox: MqttOutbox;
  readonly evidence: Evidence;
  /** Counts by shift, changes and downtimes. */
  readonly statistics: Statistics;
  /** The newest results, in memory. */
  readonly recent: RecentStore;
  /** Results from memory and from evidence. */
  readonly past: ResultHistory;
}

/** @throws QcError outbox-failed */
export async function openRecords({ config, live, log, version, metrics, station }: Core): Promise<Records> {
  await using opened = new Closer();
  const audit = opened.use(
    await openAudit(config.storage, { log, onFault: (text) => station.notice('audit', text) }),
  );
  const outbox = opened.use(
    await openOutbox(outboxConfig(config), { log, onFault: () => station.changed() }),
  );
  station.watch({ outbox: () => outbox.fault });
  metrics.watchOutbox(() => outbox);
  const evidence = opened.use(
    openEvidence(config.storage, { log, metrics, onNotice: (text) => station.notice('evidence', text) }),
  );
  const statistics = opened.use(
    await openStatistics(config, {
      log,
      version,
      onFault: (text) => station.notice('statistics', text),
    }),
  );
  live.takesLive(['shifts']);
  statistics.watch(station);
  const recent = createRecent();
  const all = opened.move();
  return {
    audit,
    outbox,
    mqttOutbox: openMqttOutbox(outbox),
    evidence,
    statistics,
    recent,
    past: createResultHistory(recent, evidence),
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

function outboxConfig({ mqtt, storage }: Config): OutboxConfig {
  return {
    directory: storage.directory,
    messages: mqtt.outboxMessages,
    bytes: storage.outboxMb * 1e6,
    ageMs: storage.outboxHours * 3_600_000,
  };
}
