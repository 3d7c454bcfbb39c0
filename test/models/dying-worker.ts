/** The real worker, but its thread ends during an image: the one with the number QC_TEST_DIE_AT. */
import { parentPort } from 'node:worker_threads';
import type { ToWorker } from '../../models/run/messages.ts';

const last = Number(process.env.QC_TEST_DIE_AT);
let pictures = 0;
parentPort!.on('message', (message: ToWorker) => {
  for (const { kind } of 'tasks' in message ? message.tasks : []) {
    if (kind === 'judge' && ++pictures === last) throw new Error('killed by the test');
  }
});
await import('../../models/session-worker.ts');
