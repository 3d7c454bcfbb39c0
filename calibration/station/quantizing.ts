/** Makes an int8 variant of the base after a successful training, unless one was already checked with labelled frames. */

import { openStore } from '../../models/versions/store.ts';
import type { JobProcess } from '../jobs/job-process.ts';
import type { JobConfig } from '../jobs/messages.ts';
import type { Log } from './log.ts';

export interface Quantizing {
  /** Returns at once; the result is logged. @param base that the version was trained on; default: the base in use */
  begin(version: string, base?: string): void;
  /** Cancels it because of a training or the end of the agent. */
  cancel(): void;
}

/** @param inProcess runs work in a child process with the lowest priority */
export function createQuantizing(
  config: JobConfig,
  log: Log,
  inProcess: <T>(work: (worker: JobProcess) => Promise<T>) => Promise<T>,
): Quantizing {
  let stop: AbortController | undefined;

  async function quantize(version: string, base: string | undefined, signal: AbortSignal): Promise<void> {
    const { manifest } = await (await openStore(config.storage.directory)).read(version);
    if (manifest.training.allowed !== true || signal.aborted) return;
    const onNotice = (text: string) => log.warn(text);
    const done = await inProcess((worker) => worker.run('quantize', { config, base }, { signal, onNotice }));
    if (done.passed)
      log.info(
        `${base ?? 'the base'} has an int8 variant, which is used after the next start: ${done.reason}`,
      );
    else log.info(`the base is unchanged: ${done.reason}`);
  }

  return {
    begin(version, base) {
      if (!config.training.quantize) return;
      const mine = new AbortController();
      stop = mine;
      quantize(version, base, mine.signal)
        .catch((error: Error) => {
          if (!mine.signal.aborted) log.warn(`no int8 variant of the base was made: ${error.message}`);
        })
        .finally(() => {
          if (stop === mine) stop = undefined;
        });
    },
    cancel: () => stop?.abort(new Error('cancelled')),
  };
}
