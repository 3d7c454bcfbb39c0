/** Counts parts as fast as it can until it is killed, and says which result it has stored before it counts it. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { openPartCounter } from '../../../agent/statistics/part-counter.ts';

const [, , directory = '', first = '1'] = process.argv;
const counter = await openPartCounter(directory, 400, {
  log: pino({ level: 'silent' }),
  onFault: () => undefined,
  now: () => Date.now(),
});
for (let sequence = Number(first); ; sequence++) {
  writeSync(1, `${sequence}\n`);
  counter.add({
    camera: 'top',
    recipe: 'default',
    verdict: sequence % 7 === 0 ? 'fail' : 'pass',
    label: sequence % 7 === 0 ? 'scratch' : 'good',
    sequence,
    publishedAt: new Date().toISOString(),
    model: { version: 'v1' },
  });
  if (sequence % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
