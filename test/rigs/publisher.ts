/** A publisher as in the agent, with its environment visible to the test. */
import { pino } from 'pino';
import { ulid } from 'ulid';
import type { AuditDraft } from '../../agent/audit/entry.ts';
import { commandRecorder } from '../../agent/audit/record-commands.ts';
import type { CommandHandlers } from '../../agent/publish/commands.ts';
import type { Handshake, Result, Status } from '../../agent/publish/messages.ts';
import type { OutboxStore } from '../../agent/publish/outbox/outbox.ts';
import { type MqttOutbox, openMqttOutbox } from '../../agent/publish/part-messages.ts';
import { openPublisher, type Publisher, type PublisherConfig } from '../../agent/publish/publisher.ts';
import { QcError } from '../../config/errors.ts';
import { mqttSchema } from '../../config/mqtt-schema.ts';
import { openMemoryOutbox } from './memory-outbox.ts';

export const base = 'acme/leipzig/press-3/qc';

export interface PublisherRig extends AsyncDisposable {
  readonly publisher: Publisher;
  readonly store: OutboxStore;
  readonly outbox: MqttOutbox;
  /** Commands carried out, newest last. */
  readonly obeyed: { readonly name: string; readonly command: unknown }[];
  readonly log: string[];
  readonly published: string[];
  /** Kind and reason of each refusal by the broker, and the notices, newest last. */
  readonly refused: string[];
  readonly notices: string[];
  /** Audit entries, newest last. */
  readonly recorded: AuditDraft[];
  status: Status;
  handshakes: readonly Handshake[];
}

export async function openPublisherRig(
  config: Partial<PublisherConfig> & { url: string },
  store: OutboxStore = openMemoryOutbox(config.outboxMessages ?? 1_000),
  options: { readonly needsCommands?: boolean } = {},
): Promise<PublisherRig> {
  const obeyed: { name: string; command: unknown }[] = [];
  const log: string[] = [];
  const published: string[] = [];
  const refused: string[] = [];
  const notices: string[] = [];
  const recorded: AuditDraft[] = [];
  const outbox = openMqttOutbox(store);
  const obey = (name: string) => async (command: unknown) => {
    obeyed.push({ name, command });
    return {};
  };
  const commands: CommandHandlers = {
    async trigger(command) {
      if (command.camera === 'gone') throw new QcError('camera-unreachable', 'camera gone is down');
      if (command.camera === 'bug') throw new TypeError('password=hunter2');
      obeyed.push({ name: 'trigger', command });
      return { jobId: `job-${obeyed.length}` };
    },
    acknowledge: obey('acknowledge'),
    abort: obey('abort'),
    mode: obey('mode'),
    label: obey('label'),
    recipe: obey('recipe'),
    model: obey('model'),
    challenge: obey('challenge'),
  };
  const rig: Omit<PublisherRig, 'publisher' | typeof Symbol.asyncDispose> = {
    handshakes: [],
    status: status('starting'),
    store,
    outbox,
    obeyed,
    log,
    published,
    refused,
    notices,
    recorded,
  };
  const { url, protocol, ...rest } = config;
  const publisher = await openPublisher(
    { ...mqttSchema.parse({ url, protocol }), topic: base, clientId: 'qc-press-3', ...rest },
    {
      log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
      outbox,
      commands,
      recorder: commandRecorder(
        { record: async (draft) => void recorded.push(draft), ready: async () => undefined },
        base,
      ),
      needsCommands: options.needsCommands ?? false,
      observer: {
        connected: () => undefined,
        published: (kind) => void published.push(kind),
        refused: (kind, reason) => void refused.push(`${kind} ${reason}`),
        notice: (text) => void notices.push(text),
      },
      status: () => rig.status,
      handshakes: () => rig.handshakes,
    },
  );
  return Object.assign(rig, {
    publisher,
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
  });
}

export function status(state: Status['state'], reasons: string[] = []): Status {
  return {
    schema: 1,
    online: true,
    state,
    reasons,
    version: '0.1.0',
    model: 'v1',
    recipe: 'default',
    cameras: { top: 'up' },
    since: '2026-11-23T18:00:00.000Z',
  };
}

/** A result as made by the inspection. */
export function result(sequence: number, over: Partial<Result> = {}): Result {
  return {
    schema: 1,
    resultId: ulid(),
    jobId: `J-${sequence}`,
    partId: `A-${sequence}`,
    station: 'press-3',
    camera: 'top',
    recipe: 'default',
    sequence,
    state: 'completed',
    verdict: 'fail',
    evaluation: 2,
    label: 'scratch',
    probability: 0.982,
    probabilities: { good: 0.018, scratch: 0.982 },
    reasons: ['scratch above 0.60'],
    votes: { frames: 3, agree: 3 },
    model: { version: '2026-11-23.2', base: 'resnet50', precision: 'int8', provider: 'cpu' },
    capturedAt: new Date().toISOString(),
    publishedAt: new Date(0).toISOString(),
    timingsMs: { decode: 4, queue: 1, inference: 23, total: 31 },
    simulated: false,
    calibration: false,
    historical: false,
    evidence: null,
    ...over,
  };
}
