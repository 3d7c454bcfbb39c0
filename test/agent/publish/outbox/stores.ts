/** Stores three parts and reports each, for a trace of its system calls. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { openOutbox } from '../../../../agent/publish/outbox/open.ts';
import { schema } from './contract.ts';

const store = await openOutbox(
  { directory: process.argv[2]!, messages: 100, bytes: 10e6, ageMs: 60_000 },
  { log: pino({ level: 'silent' }), onFault: () => undefined },
);
const outbox = store.queue('one', schema);
for (const n of [1, 2, 3]) {
  writeSync(1, `put ${n}\n`);
  await store.put([outbox.letter({ n, text: `part-${n}-of-the-trace` })]);
  writeSync(1, `stored ${n}\n`);
}
await store[Symbol.asyncDispose]();
