/** Reads a whole store, and dies of it where it is damaged, so that the agent does not. */
import { openDisk } from './disk.ts';
import type { Examine, Examined, Refused } from './examine.ts';

const endless = Number.MAX_SAFE_INTEGER;
const readAtOnce = 256;

process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.once('message', (options: Examine) => {
  process.send?.(examine(options), () => process.exit());
});

function examine({ directory, write }: Examine): Examined | Refused {
  try {
    const disk = openDisk(directory, { readOnly: !write });
    const found = disk.found();
    let unreadable = 0;
    for (const [queue, { newestId }] of found.queues) {
      for (let after = 0; after < newestId; ) {
        const rows = disk.read(queue, after, readAtOnce);
        unreadable += rows.filter((row) => 'damaged' in row).length;
        after = rows.at(-1)?.id ?? endless;
      }
    }
    // The list of free pages is only looked at by writing.
    if (write && found.time !== undefined) {
      disk.change({
        now: found.time,
        limits: { messages: endless, bytes: endless, ageMs: endless },
        sequences: new Map(),
        queues: new Map(),
      });
    }
    return { found, unreadable };
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown };
    // Those of the operating system are above 0, and say nothing of what is in the file.
    if (typeof code === 'number' && code > 0) return { refused: message };
    return { damage: message };
  }
}
