/**
 * Stores a part every few milliseconds until SIGTERM, and reports: `stored <n>`, `fault <text>`, `ready` and, at the end,
 * `left <waiting> <dropped>`. With `consumes` everything is acknowledged immediately.
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { openOutbox } from '../../../../agent/publish/outbox/open.ts';
import type { OutboxStore } from '../../../../agent/publish/outbox/outbox.ts';
import { schema } from './contract.ts';

const [directory, everyMs, consumes] = process.argv.slice(2);
const say = (text: string) => writeSync(1, `${text}\n`);
const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
let isFaulty = '';
let opened: OutboxStore | undefined;
const store = await openOutbox(
  { directory: directory!, messages: 100_000, bytes: 100e6, ageMs: 3_600_000, retryMs: 200 },
  { log: pino({ level: 'warn' }, { write: (line: string) => say(`log ${line.trim()}`) }), onFault: sayFault },
);
function sayFault(): void {
  const fault = opened?.fault ?? isFaulty;
  if (isFaulty !== fault) say(`fault ${fault}`);
  isFaulty = fault;
}
opened = store;
sayFault();
const outbox = store.queue('one', schema);
say('ready');
async function consume(): Promise<void> {
  for (let after = 0; ; ) {
    const { id } = await outbox.next(after, stopping.signal).catch(() => {
      stopping.signal.throwIfAborted();
      return { id: 0 };
    });
    after = id;
    outbox.ack(id);
  }
}
if (consumes) consume().catch(() => undefined);
for (let n = store.newestSequence('top') + 1; !stopping.signal.aborted; n++) {
  await store.put([outbox.letter({ n })], { camera: 'top', sequence: n });
  say(`stored ${n}`);
  await sleep(Number(everyMs));
}
await store[Symbol.asyncDispose]();
say(`left ${outbox.size} ${outbox.dropped}`);
process.exit();
