/** Opens the outbox under the storage directory, also if a file is damaged or the disk fails. */
import { join } from 'node:path';
import { QcError } from '../../../config/errors.ts';
import { isDiskFault } from '../../../models/disk/disk-fault.ts';
import type { Log } from '../../lifecycle/log.ts';
import type { Limits } from './disk.ts';
import type { OpenDisk } from './disk-thread.ts';
import { openDurableOutbox } from './durable.ts';
import { RefusedError } from './examine.ts';
import { openLateStore } from './late-store.ts';
import { openNumbers } from './numbers.ts';
import type { OutboxStore } from './outbox.ts';
import { type OpenStore, openStore, peekAtSequences } from './store.ts';

export interface OutboxConfig extends Limits {
  /** Storage directory of the agent; the store is in `outbox` below it. */
  readonly directory: string;
  /** Maximum number of parts kept in memory while the disk fails. */
  readonly memoryParts?: number;
  /** Retry interval if the disk failed at the start, ms. */
  readonly retryMs?: number;
}

export interface OutboxDeps {
  readonly log: Log;
  /** Called when `fault` changes. */
  readonly onFault: () => void;
}

/**
 * A damaged store is set aside, and a new one is made from its readable content. If the disk fails, results are kept in
 * memory until it works. Only the agent that has the lock of the storage directory may open it.
 * @throws QcError outbox-failed if it can never be stored there
 */
export async function openOutbox(config: OutboxConfig, deps: OutboxDeps): Promise<OutboxStore> {
  const { messages, bytes, ageMs, memoryParts = 1_000, retryMs = 5_000 } = config;
  const log = deps.log.child({ component: 'outbox' });
  const directory = join(config.directory, 'outbox');
  const options = { limits: { messages, bytes, ageMs }, memoryParts };
  const numbers = await openNumbers(config.directory);
  try {
    const { disk, journal, numbersAreKnown } = await openSoon({ directory, bytes }, log);
    const areCertain = numbersAreKnown && !numbers.wasUncertain;
    return openDurableOutbox({ disk, journal, areCertain, numbers }, options, { ...deps, log });
  } catch (cause) {
    if (!isForLater(cause))
      throw new QcError('outbox-failed', `${directory}: ${(cause as Error).message}`, { cause });
    const why = (cause as Error).message;
    const known = await peekAtSequences(directory);
    const late = openLateStore({ directory, bytes, retryMs, why, sequences: known ?? new Map() }, log);
    const areCertain = known !== undefined && !numbers.wasUncertain;
    const outbox = openDurableOutbox({ ...late, areCertain, numbers }, options, { ...deps, log });
    late.onOpen((found) => outbox.adopt(found));
    outbox.startWithout(why);
    return outbox;
  }
}

const isForLater = (error: unknown) => isDiskFault(error) || error instanceof RefusedError;

/** Tries again after a single failure before the agent starts without the disk. */
async function openSoon(options: OpenDisk, log: Log): Promise<OpenStore> {
  try {
    return await openStore(options, log);
  } catch (error) {
    if (!isForLater(error)) throw error;
    log.warn(`outbox: it is reopened after a failure: ${(error as Error).message}`);
    return openStore(options, log);
  }
}
