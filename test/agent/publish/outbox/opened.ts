/** An outbox in a folder, with its log. */
import { pino } from 'pino';
import { type OutboxConfig, openOutbox } from '../../../../agent/publish/outbox/open.ts';
import type { Outbox, OutboxStore } from '../../../../agent/publish/outbox/outbox.ts';
import { type Message, schema } from './contract.ts';

export interface Opened extends AsyncDisposable {
  readonly store: OutboxStore;
  readonly outbox: Outbox<Message>;
  readonly log: string[];
  put(n: number): Promise<void>;
}

export async function openIn(directory: string, config: Partial<OutboxConfig> = {}): Promise<Opened> {
  const log: string[] = [];
  const store = await openOutbox(
    { directory, messages: 100_000, bytes: 100e6, ageMs: 3_600_000, ...config },
    {
      log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
      onFault: () => undefined,
    },
  );
  const outbox = store.queue('one', schema);
  const put = (n: number) => store.put([outbox.letter({ n })], { camera: 'top', sequence: n });
  return { store, outbox, log, put, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

export const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, n) => first + n);
