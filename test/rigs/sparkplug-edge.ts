/** An edge node as in the agent, with cameras and outbox controlled by the test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Result } from '../../agent/publish/messages.ts';
import type { OutboxStore } from '../../agent/publish/outbox/outbox.ts';
import type { NodeFacts } from '../../agent/publish/sparkplug/metrics.ts';
import { openSparkplug, type Sparkplug } from '../../agent/publish/sparkplug/sparkplug.ts';
import { mqttSchema } from '../../config/mqtt-schema.ts';
import { openMemoryOutbox } from './memory-outbox.ts';
import { result, status } from './publisher.ts';

export const group = 'Werk Süd';
export const node = 'press-3';

export interface EdgeOptions {
  readonly url: string;
  readonly protocol?: '5' | '3.1.1';
  readonly primaryHost?: string;
  /** Number of the previous CONNECT; default: none. */
  readonly lastBdSeq?: number;
  readonly clientId?: string;
  readonly flushMs?: number;
  readonly keepaliveSeconds?: number;
  readonly ca?: string;
}

export interface Edge extends AsyncDisposable {
  readonly sparkplug: Sparkplug;
  readonly store: OutboxStore;
  /** Cameras that are up. */
  readonly up: Set<string>;
  facts: NodeFacts;
  readonly log: string[];
  readonly notices: string[];
  /** Type and reason of messages that the broker refuses. */
  readonly refused: string[];
  /** Puts the next result of a camera. */
  put(camera: string, over?: Partial<Result>): Promise<Result>;
  /** Sets the state of a camera. */
  turns(camera: string, state: 'up' | 'down'): void;
  /** Ends this one regularly, and opens another one on the same storage and outbox. */
  restart(): Promise<void>;
}

export async function openEdge(options: EdgeOptions): Promise<Edge> {
  const storageDirectory = await mkdtemp(join(tmpdir(), 'qc-sparkplug-'));
  const { lastBdSeq, url, protocol, keepaliveSeconds, ca } = options;
  if (lastBdSeq !== undefined) {
    await writeFile(
      join(storageDirectory, 'sparkplug.json'),
      JSON.stringify({ schema: 1, bdSeq: lastBdSeq }),
    );
  }
  const store = openMemoryOutbox(10_000);
  const up = new Set(['top', 'side']);
  const sequences = new Map<string, number>();
  const log: string[] = [];
  const notices: string[] = [];
  const refused: string[] = [];
  const open = () =>
    openSparkplug(
      {
        groupId: group,
        edgeNodeId: node,
        primaryHost: options.primaryHost,
        broker: {
          ...mqttSchema.parse({ url, protocol, keepaliveSeconds, ca }),
          clientId: options.clientId ?? 'qc-press-3-sparkplug',
        },
        cameras: ['top', 'side'],
        storageDirectory,
        flushMs: options.flushMs ?? 2_000,
      },
      {
        log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
        store,
        up: (camera) => up.has(camera),
        facts: () => edge.facts,
        observer: {
          connected: () => undefined,
          published: () => undefined,
          refused: (type, reason) => void refused.push(`${type} ${reason}`),
          notice: (text) => void notices.push(text),
        },
      },
    );
  let sparkplug: Sparkplug | undefined;
  const edge: Edge = {
    get sparkplug() {
      return sparkplug!;
    },
    store,
    up,
    facts: {
      station: 'press-3',
      status: status('inspecting'),
      recipe: 'default',
      model: { version: '2026-11-23.2', base: 'resnet50', precision: 'int8', provider: 'cpu' },
    },
    log,
    notices,
    refused,
    async put(camera, over = {}) {
      const sequence = (sequences.get(camera) ?? 0) + 1;
      sequences.set(camera, sequence);
      const made = result(sequence, { camera, ...over });
      await store.put([edge.sparkplug.letter(made)], made);
      return made;
    },
    turns(camera, state) {
      if (state === 'up') up.add(camera);
      else up.delete(camera);
      edge.sparkplug.changed();
    },
    async restart() {
      await sparkplug?.[Symbol.asyncDispose]();
      sparkplug = await open();
    },
    async [Symbol.asyncDispose]() {
      await sparkplug?.[Symbol.asyncDispose]();
      await rm(storageDirectory, { recursive: true, force: true });
    },
  };
  sparkplug = await open();
  return edge;
}
