/** Compares bases in a child process, one comparison at a time, while the line runs. */
import { QcError } from '../../config/errors.ts';
import { lastComparison } from '../compare/kept.ts';
import type { CompareRequest, ComparingView } from '../compare/views.ts';
import type { JobConfig } from '../jobs/messages.ts';
import { createJobDesk } from './job-desk.ts';
import type { Log } from './log.ts';

export interface Comparing extends AsyncDisposable {
  readonly isRunning: boolean;
  view(): Promise<ComparingView>;
  /** Starts and returns immediately. @throws QcError training-busy */
  start(request: CompareRequest, by: string): void;
  /** Does nothing if no comparison runs. */
  cancel(): void;
}

/** @param isTraining training and comparison would compete for memory and time */
export function createComparing(config: JobConfig, log: Log, isTraining: () => boolean): Comparing {
  const desk = createJobDesk(log);
  return {
    get isRunning() {
      return desk.isRunning;
    },
    async view() {
      return { ...desk.view, comparison: (await lastComparison(config.storage.directory)) ?? null };
    },
    start(options, by) {
      if (desk.isRunning)
        throw new QcError('training-busy', `${desk.view.by ?? 'someone'} is already comparing bases`);
      if (isTraining()) throw new QcError('training-busy', 'a training is running');
      void desk.run(by, 'a comparison of bases', async ({ worker, signal, onProgress }) => {
        const job = { config, options };
        const onNotice = (text: string) => log.warn(text);
        const { sentence } = await worker.run('compare', job, { signal, onNotice, onProgress });
        log.info(`bases were compared: ${sentence}`);
      });
    },
    cancel: () => desk.cancel(),
    [Symbol.asyncDispose]: () => desk[Symbol.asyncDispose](),
  };
}
