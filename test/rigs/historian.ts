/** A subscriber with a persistent session at the broker, like a database of all results. */
import { connectAsync } from 'mqtt';
import type { Result, VerdictMessage } from '../../agent/publish/messages.ts';

export interface Historian extends AsyncDisposable {
  readonly connected: boolean;
  /** By camera, in the order of their first delivery. */
  readonly results: ReadonlyMap<string, readonly Result[]>;
  readonly verdicts: ReadonlyMap<string, readonly VerdictMessage[]>;
  /** Deliveries, repetitions counted. */
  readonly deliveries: number;
  /** Numbers with two different results. */
  readonly ambiguous: readonly string[];
}

/** @param base the station's topic */
export async function openHistorian(url: string, base: string): Promise<Historian> {
  const client = await connectAsync(url, {
    clientId: 'historian',
    clean: false,
    reconnectPeriod: 50,
  });
  client.on('error', () => undefined);
  const results = new Map<string, Result[]>();
  const verdicts = new Map<string, VerdictMessage[]>();
  const known = new Map<string, string>();
  const ambiguous: string[] = [];
  let deliveries = 0;
  /** Whether it arrives for the first time. */
  const isNew = (key: string, identity: string) => {
    deliveries++;
    const before = known.get(key);
    known.set(key, identity);
    if (before !== undefined && before !== identity) ambiguous.push(key);
    return before === undefined;
  };
  const add = <T>(all: Map<string, T[]>, camera: string, message: T) => {
    const known = all.get(camera);
    if (known) known.push(message);
    else all.set(camera, [message]);
  };
  client.on('message', (topic, payload) => {
    const [camera = '', kind] = topic.split('/').slice(-2);
    const message = JSON.parse(payload.toString());
    if (!isNew(`${kind} ${camera} ${message.sequence}`, message.resultId ?? message.partId)) return;
    if (kind === 'result') add(results, camera, message as Result);
    else add(verdicts, camera, message as VerdictMessage);
  });
  await client.subscribeAsync([`${base}/+/result`, `${base}/+/verdict`], { qos: 1 });
  return {
    get connected() {
      return client.connected;
    },
    results,
    verdicts,
    get deliveries() {
      return deliveries;
    },
    ambiguous,
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
