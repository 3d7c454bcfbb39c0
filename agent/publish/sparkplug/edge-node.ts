/** Messages of the edge node within one connection and their order: births, data and deaths (Sparkplug 3.0 §5). */
import type { Result } from '../messages.ts';
import type { OutboxEntry } from '../outbox/outbox.ts';
import { Waiting } from '../outbox/waiting.ts';
import type { Device } from './device.ts';
import { bdSeqMetric, deviceMetrics, type NodeFacts, nodeMetrics, rebirthMetric } from './metrics.ts';
import { encodePayload, type Metric, type PayloadParts } from './payload.ts';
import type { SparkplugTopics } from './topics.ts';

export type MessageType = 'NBIRTH' | 'NDATA' | 'NDEATH' | 'DBIRTH' | 'DDATA' | 'DDEATH';

export interface EdgeNodeOptions {
  readonly topics: SparkplugTopics;
  /** Number in the will of this connection. */
  readonly bdSeq: number;
  readonly devices: readonly Device[];
  up(camera: string): boolean;
  facts(): NodeFacts;
  /** Publishes with QoS 0 at once, in the order of the calls; false if it exceeds the broker's limits. */
  send(type: MessageType, topic: string, payload: Buffer): boolean;
}

export class EdgeNode {
  readonly #options: EdgeNodeOptions;
  /** Number of the next message, shared by all topics, 0 to 255 (§6.4.5). */
  #seq = 0;
  #isBorn = false;
  /** For each born camera: messages up to this id are historical, because the birth contained something newer. */
  readonly #historicalUpTo = new Map<string, number>();
  readonly #births = new Waiting();
  /** The node's own metrics as last published. */
  #said = new Map<string, Metric['value']>();

  constructor(options: EdgeNodeOptions) {
    this.#options = options;
  }

  get isBorn(): boolean {
    return this.#isBorn;
  }

  isAlive(camera: string): boolean {
    return this.#historicalUpTo.has(camera);
  }

  /** Sends all births (first time or rebirth) without other messages in between. */
  birth(): void {
    const { topics, bdSeq, devices, facts } = this.#options;
    const now = Date.now();
    this.#seq = 0;
    this.#said.clear();
    const metrics = this.#changes(nodeMetrics(facts(), now));
    this.#isBorn = this.#publish('NBIRTH', topics.nodeBirth, {
      timestamp: now,
      metrics: [bdSeqMetric(bdSeq, now), rebirthMetric(now), ...metrics],
    });
    this.#historicalUpTo.clear();
    if (!this.#isBorn) return;
    for (const device of devices) if (this.#options.up(device.camera)) this.#publishBirth(device);
    this.#births.wake();
  }

  /** Publishes changes: cameras that came up or went down, and metrics of the node. */
  changed(): void {
    if (!this.#isBorn) return;
    const { topics, devices, facts, up } = this.#options;
    for (const device of devices) {
      const { camera } = device;
      if (up(camera) === this.isAlive(camera)) continue;
      if (this.isAlive(camera)) {
        this.#historicalUpTo.delete(camera);
        this.#publish('DDEATH', topics.deviceDeath(camera), { timestamp: Date.now() });
      } else {
        this.#publishBirth(device);
        this.#births.wake();
      }
    }
    const now = Date.now();
    const metrics = this.#changes(nodeMetrics(facts(), now));
    if (metrics.length > 0) this.#publish('NDATA', topics.nodeData, { timestamp: now, metrics });
  }

  /**
   * Sends a result as soon as its camera is born; false if it exceeds the broker's limits; rejects when the signal aborts.
   */
  async data(
    { camera }: Device,
    { id, message }: OutboxEntry<Result>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const historicalUpTo = await this.#births.until(() => this.#historicalUpTo.get(camera), signal);
    const now = Date.now();
    return this.#publish('DDATA', this.#options.topics.deviceData(camera), {
      timestamp: now,
      metrics: deviceMetrics(message, { now, isHistorical: id <= historicalUpTo }),
    });
  }

  /** Stops publishing. */
  end(): void {
    this.#isBorn = false;
    this.#historicalUpTo.clear();
  }

  #publishBirth({ camera, outbox, newest }: Device): void {
    const now = Date.now();
    const birth = (result: Result | undefined) =>
      this.#publish('DBIRTH', this.#options.topics.deviceBirth(camera), {
        timestamp: now,
        metrics: deviceMetrics(result, { now }),
      });
    // A birth with a large result may exceed the limit, while one without a result does not.
    if (birth(newest) || (newest && birth(undefined))) this.#historicalUpTo.set(camera, outbox.newestId);
  }

  #publish(type: MessageType, topic: string, parts: Omit<PayloadParts, 'seq'>): boolean {
    const payload = encodePayload({ ...parts, seq: this.#seq }, type.endsWith('BIRTH') ? 'defines' : 'data');
    // Messages that are not sent do not count in the sequence.
    if (!this.#options.send(type, topic, payload)) return false;
    this.#seq = (this.#seq + 1) % 256;
    return true;
  }

  /** Metrics that differ from those published last; they then count as published. */
  #changes(metrics: readonly Metric[]): Metric[] {
    const changed = metrics.filter(({ name, value }) => this.#said.get(name) !== value);
    for (const { name, value } of changed) this.#said.set(name, value);
    return changed;
  }
}
