/**
 * The real worker, but the first thread ends at the image with the number QC_TEST_DIE_AT, and the second receives a head
 * that cannot be opened. QC_TEST_THREADS is a file in which each thread records its begin and end.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { ToWorker } from '../../models/run/messages.ts';

const file = process.env.QC_TEST_THREADS!;
appendFileSync(file, 'began\n');
process.on('exit', () => appendFileSync(file, 'ended\n'));
const thread = readFileSync(file, 'utf8').split('began').length - 1;

const last = Number(process.env.QC_TEST_DIE_AT);
let pictures = 0;
parentPort!.on('message', (message: ToWorker) => {
  for (const task of 'tasks' in message ? message.tasks : []) {
    if (task.kind === 'judge' && ++pictures === last && thread === 1) throw new Error('killed by the test');
    if (task.kind === 'load' && thread === 2) task.head.model.fill(0);
  }
});
await import('../../models/session-worker.ts');
