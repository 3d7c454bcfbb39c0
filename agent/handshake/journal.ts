/** Records the open jobs on disk, so that the next start can report which of them will never get a result. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { FaultLog, type Log } from '../lifecycle/log.ts';

const journalSchema = z.strictObject({ schema: z.literal(1), jobs: z.array(z.string()).max(64) });

export interface JobJournal extends AsyncDisposable {
  /** Jobs that were open when the agent last stopped. */
  readonly left: readonly string[];
  /** Writes the open jobs when the previous write has ended; consecutive calls may share one write. */
  record(jobs: readonly string[]): void;
}

/** A journal that cannot be read or written is only reported: the new session id already tells the PLC that jobs were lost. */
export async function openJobJournal(
  storageDirectory: string,
  camera: string,
  log: Log,
): Promise<JobJournal> {
  const file = join(storageDirectory, 'jobs', `${camera}.json`);
  let left: readonly string[] = [];
  try {
    left = journalSchema.parse(JSON.parse(await readFile(file, 'utf8'))).jobs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      log.warn({ file, err: error }, 'the jobs that were open when the agent last stopped cannot be read');
    }
  }
  let wanted: readonly string[] = left;
  let written = JSON.stringify(left);
  let busy = false;
  const faults = new FaultLog(log);
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    for (let text = JSON.stringify(wanted); text !== written; text = JSON.stringify(wanted)) {
      written = text;
      try {
        await makeFolders(dirname(file));
        await writeDurably(file, `${JSON.stringify({ schema: 1, jobs: wanted })}\n`);
      } catch (error) {
        // The content of the file is unknown now, so the next change is written in any case.
        written = '';
        faults.warn(`the open jobs cannot be written to ${file}: ${(error as Error).message}`);
        break;
      }
    }
    busy = false;
  }

  return {
    left,
    record(jobs) {
      wanted = jobs;
      if (busy) return;
      busy = true;
      writing = write();
    },
    async [Symbol.asyncDispose]() {
      await writing;
    },
  };
}
