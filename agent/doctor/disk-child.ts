/** Checks the storage directory in its own process, which may hang with the disk. */

import { checkDisk } from './disk.ts';
import { type DiskAnswer, type DiskQuestion, failedWith } from './disk-in-child.ts';

// The doctor ends it.
process.on('SIGINT', () => undefined);
process.once('message', async ({ directory }: DiskQuestion) => {
  const answer: DiskAnswer = await checkDisk(directory).then((findings) => ({ findings }), failedWith);
  process.send?.(answer, () => process.exit());
});
