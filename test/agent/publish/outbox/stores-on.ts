/** Stores one part after the other and reports each, until it is killed or has stored a number of parts. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { openOutbox } from '../../../../agent/publish/outbox/open.ts';
import { schema } from './contract.ts';

const [directory, count] = process.argv.slice(2);
const store = await openOutbox(
  { directory: directory!, messages: 100_000, bytes: 100e6, ageMs: 3_600_000 },
  { log: pino({ level: 'silent' }), onFault: () => undefined },
);
const outbox = store.queue('one', schema);
const first = store.newestSequence('top') + 1;
for (let n = first; n < first + Number(count); n++) {
  await store.put([outbox.letter({ n })], { camera: 'top', sequence: n });
  writeSync(1, `${n}\n`);
}
process.kill(process.pid, 'SIGKILL');
