/** Metrics of delivery and evidence. */
import type { Declare } from './declare.ts';

export interface OutboxReading {
  readonly size: number;
  readonly oldestAgeMs: number;
  readonly dropped: number;
}

export interface EvidenceReading {
  readonly bytes: number;
  readonly files: number;
}

export function declareDelivery({ counter, gauge, readCounter }: Declare) {
  let outbox: (() => OutboxReading) | undefined;
  gauge('qc_outbox_messages', 'Messages waiting for the broker', [], function () {
    this.set(outbox?.().size ?? 0);
  });
  gauge('qc_outbox_oldest_seconds', 'Age of the oldest waiting message', [], function () {
    this.set((outbox?.().oldestAgeMs ?? 0) / 1000);
  });
  readCounter(
    'qc_outbox_dropped_total',
    'Messages discarded because the outbox was full or the broker refuses them permanently',
    () => outbox?.().dropped ?? 0,
  );
  let evidence: (() => EvidenceReading) | undefined;
  gauge('qc_evidence_bytes', 'Disk space of evidence images and their results', [], function () {
    this.set(evidence?.().bytes ?? 0);
  });
  gauge('qc_evidence_files', 'Number of stored evidence images', [], function () {
    this.set(evidence?.().files ?? 0);
  });
  const evidenceDropped = counter(
    'qc_evidence_dropped_total',
    'Images that were not stored as evidence: disk too slow, nearly full, or write error',
    ['reason'],
  );
  return {
    evidenceDropped,
    mqttConnected: gauge('qc_mqtt_connected', '1 while connected to the broker'),
    mqttPublished: counter('qc_mqtt_published_total', 'Messages acknowledged by the broker', ['kind']),
    mqttRefused: counter(
      'qc_mqtt_refused_total',
      'Messages and subscriptions refused by the broker; a topic that remains refused counts once',
      ['kind', 'reason'],
    ),
    sparkplugConnected: gauge(
      'qc_sparkplug_connected',
      '1 while the Sparkplug edge node is online; absent if Sparkplug is not configured',
      ['group', 'node'],
    ),
    sparkplugPublished: counter('qc_sparkplug_published_total', 'Sparkplug messages sent', ['type']),
    /** Reads the outbox at every scrape. */
    watchOutbox(read: () => OutboxReading): void {
      outbox = read;
    },
    /** Reads the evidence at every scrape. */
    watchEvidence(read: () => EvidenceReading): void {
      evidence = read;
      for (const reason of ['slow', 'low-disk', 'failed']) evidenceDropped.inc({ reason }, 0);
    },
  };
}
