/** Opens the outbox under the storage directory: stopped neither by a damaged file nor by a disk that takes nothing. */
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
  /** The agent's; the store is `outbox` under it. */
  readonly directory: string;
  /** Parts kept in memory while the disk takes nothing. */
  readonly memoryParts?: number;
  /** How often a disk that took nothing at the start is tried again, ms. */
  readonly retryMs?: number;
}

export interface OutboxDeps {
  readonly log: Log;
  /** Called when `fault` changes. */
  readonly onFault: () => void;
}

/**
 * A store that is damaged is set aside beside it, and a new one is made of what can be read. If the disk takes nothing,
 * results are kept in memory until it does. Only one agent may open it: the one that has the storage directory's lock.
 * @throws QcError outbox-failed if nothing can ever be stored there
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

/** A single failure is no reason to begin without the disk. */
async function openSoon(options: OpenDisk, log: Log): Promise<OpenStore> {
  try {
    return await openStore(options, log);
  } catch (error) {
    if (!isForLater(error)) throw error;
    log.warn(`outbox: it is opened again after a failure: ${(error as Error).message}`);
    return openStore(options, log);
  }
}
