/** What the edge node says within one connection, in which order: births, data and deaths (Sparkplug 3.0 §5). */
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
  /** Of the will of this connection. */
  readonly bdSeq: number;
  readonly devices: readonly Device[];
  up(camera: string): boolean;
  facts(): NodeFacts;
  /** Publishes with QoS 0 at once, in the order of the calls; false if the broker would not take it. */
  send(type: MessageType, topic: string, payload: Buffer): boolean;
}

export class EdgeNode {
  readonly #options: EdgeNodeOptions;
  /** Of the next message: one number for all topics together, 0 to 255 (§6.4.5). */
  #seq = 0;
  #isBorn = false;
  /** By camera that is born: what was put up to this id is history, since the birth said something newer. */
  readonly #historicalUpTo = new Map<string, number>();
  readonly #births = new Waiting();
  /** The node's own metrics as they were said last. */
  #said = new Map<string, Metric['value']>();

  constructor(options: EdgeNodeOptions) {
    this.#options = options;
  }

  get isBorn(): boolean {
    return this.#isBorn;
  }

  lives(camera: string): boolean {
    return this.#historicalUpTo.has(camera);
  }

  /** The whole sequence of births, first or again: nothing can come between them. */
  birth(): void {
    const { topics, bdSeq, devices, facts } = this.#options;
    const now = Date.now();
    this.#seq = 0;
    this.#said.clear();
    const metrics = this.#changes(nodeMetrics(facts(), now));
    this.#isBorn = this.#say('NBIRTH', topics.nodeBirth, {
      timestamp: now,
      metrics: [bdSeqMetric(bdSeq, now), rebirthMetric(now), ...metrics],
    });
    this.#historicalUpTo.clear();
    if (!this.#isBorn) return;
    for (const device of devices) if (this.#options.up(device.camera)) this.#bear(device);
    this.#births.wake();
  }

  /** Looks at what may have changed: cameras that came or went, and what the node says of itself. */
  changed(): void {
    if (!this.#isBorn) return;
    const { topics, devices, facts, up } = this.#options;
    for (const device of devices) {
      const { camera } = device;
      if (up(camera) === this.lives(camera)) continue;
      if (this.lives(camera)) {
        this.#historicalUpTo.delete(camera);
        this.#say('DDEATH', topics.deviceDeath(camera), { timestamp: Date.now() });
      } else {
        this.#bear(device);
        this.#births.wake();
      }
    }
    const now = Date.now();
    const metrics = this.#changes(nodeMetrics(facts(), now));
    if (metrics.length > 0) this.#say('NDATA', topics.nodeData, { timestamp: now, metrics });
  }

  /** Sends a result as soon as its camera is born; false if the broker would not take it; rejects when the signal aborts. */
  async data(
    { camera }: Device,
    { id, message }: OutboxEntry<Result>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const historicalUpTo = await this.#births.until(() => this.#historicalUpTo.get(camera), signal);
    const now = Date.now();
    return this.#say('DDATA', this.#options.topics.deviceData(camera), {
      timestamp: now,
      metrics: deviceMetrics(message, { now, isHistorical: id <= historicalUpTo }),
    });
  }

  /** Nothing is said any more. */
  end(): void {
    this.#isBorn = false;
    this.#historicalUpTo.clear();
  }

  #bear({ camera, outbox, newest }: Device): void {
    const now = Date.now();
    const birth = (result: Result | undefined) =>
      this.#say('DBIRTH', this.#options.topics.deviceBirth(camera), {
        timestamp: now,
        metrics: deviceMetrics(result, { now }),
      });
    // A result with much to say may not fit, while a birth without one does.
    if (birth(newest) || (newest && birth(undefined))) this.#historicalUpTo.set(camera, outbox.newestId);
  }

  #say(type: MessageType, topic: string, parts: Omit<PayloadParts, 'seq'>): boolean {
    const payload = encodePayload({ ...parts, seq: this.#seq }, type.endsWith('BIRTH') ? 'defines' : 'data');
    // What is not sent has no place in the sequence.
    if (!this.#options.send(type, topic, payload)) return false;
    this.#seq = (this.#seq + 1) % 256;
    return true;
  }

  /** Those that are different from when they were said last; they count as said. */
  #changes(metrics: readonly Metric[]): Metric[] {
    const changed = metrics.filter(({ name, value }) => this.#said.get(name) !== value);
    for (const { name, value } of changed) this.#said.set(name, value);
    return changed;
  }
}
