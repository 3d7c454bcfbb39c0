/** Opens the outbox under the storage directory: never stopped by a damaged file. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { QcError } from '../../../config/errors.ts';
import type { Log } from '../../lifecycle/log.ts';
import { makeAside } from './aside.ts';
import type { Limits } from './disk.ts';
import { DurableOutbox } from './durable.ts';
import { examine } from './examine.ts';
import { type Journal, openJournal, UnreadableJournal } from './journal.ts';
import { openLastingDisk } from './lasting-disk.ts';
import type { OutboxStore } from './outbox.ts';

export interface OutboxConfig extends Limits {
  /** The agent's; the store is `outbox` under it. */
  readonly directory: string;
  /** Parts kept in memory while the disk takes nothing. */
  readonly memoryParts?: number;
}

export interface OutboxDeps {
  readonly log: Log;
  /** Told when `fault` changes. */
  readonly onFault: () => void;
}

/**
 * A store that is damaged is set aside beside it and a new one begun. Only one agent may open it: the one that has the
 * storage directory's lock.
 * @throws QcError outbox-failed where nothing can be stored there at all
 */
export async function openOutbox(config: OutboxConfig, deps: OutboxDeps): Promise<OutboxStore> {
  const { messages, bytes, ageMs, memoryParts = 1_000 } = config;
  const log = deps.log.child({ component: 'outbox' });
  const directory = join(config.directory, 'outbox');
  try {
    await mkdir(directory, { recursive: true });
    await setAsideIfDamaged(directory, log);
    const disk = await openLastingDisk({ directory, bytes }, log);
    const journal = await journalIn(directory, disk.found.journal, log);
    const options = { limits: { messages, bytes, ageMs }, memoryParts };
    return new DurableOutbox(disk, journal, options, { ...deps, log });
  } catch (cause) {
    throw new QcError('outbox-failed', `${directory}: ${(cause as Error).message}`, { cause });
  }
}

async function setAsideIfDamaged(directory: string, log: Log): Promise<void> {
  if (!existsSync(join(directory, 'data.mdb'))) return;
  const examined = await examine({ directory, write: true });
  if ('damage' in examined) {
    const aside = await makeAside(directory);
    await rename(directory, aside);
    await mkdir(directory);
    log.warn(
      { damage: examined.damage },
      `the outbox was damaged and set aside as ${aside}: results that had waited in it are not sent, and results are numbered from 1 again`,
    );
    return;
  }
  const waiting = [...examined.found.queues.values()].reduce((sum, { messages }) => sum + messages, 0);
  if (waiting > 0) log.info({ waiting }, 'messages from before are sent once the broker is there');
}

/** Undefined where there can be none: without it everything is as safe and takes a little longer. */
async function journalIn(directory: string, taken: number, log: Log): Promise<Journal | undefined> {
  const path = join(directory, 'journal');
  try {
    const journal = await openJournal(path, taken);
    const { damaged } = journal.found;
    if (damaged > 0) {
      const aside = await makeAside(directory);
      await copyFile(path, join(aside, 'journal'));
      log.warn(
        { damaged },
        `records of the outbox's journal cannot be read: a copy was set aside as ${aside}, their results are not sent`,
      );
    }
    return journal;
  } catch (error) {
    const why = (error as Error).message;
    if (error instanceof UnreadableJournal) {
      const aside = await makeAside(directory);
      await rename(path, join(aside, 'journal'));
      log.warn(
        { damage: why },
        `the outbox's journal could not be read and was set aside as ${aside}: results of the last moment before the end are not sent`,
      );
      return journalIn(directory, taken, log);
    }
    log.warn({ err: error }, 'the outbox has no journal: each result waits a little longer for the disk');
    return undefined;
  }
}
