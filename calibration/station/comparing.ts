/** Compares bases in a child process, one comparison at a time, beside the running line. */
import { QcError } from '../../config/errors.ts';
import { lastComparison } from '../compare/kept.ts';
import type { CompareRequest, ComparingView } from '../compare/views.ts';
import { type JobProcess, openJobProcess } from '../jobs/job-process.ts';
import type { JobConfig } from '../jobs/messages.ts';
import type { Log } from './log.ts';

export interface Comparing extends AsyncDisposable {
  readonly isRunning: boolean;
  view(): Promise<ComparingView>;
  /** Starts and returns at once. @throws QcError training-busy */
  start(request: CompareRequest, by: string): void;
  /** Does nothing if no comparison runs. */
  cancel(): void;
}

type Progress = Omit<ComparingView, 'comparison'>;

/** @param isTraining a training and a comparison would take memory and time from each other */
export function createComparing(config: JobConfig, log: Log, isTraining: () => boolean): Comparing {
  let now: Progress = idle;
  let stop: AbortController | undefined;
  let worker: JobProcess | undefined;

  async function compare({ names, frames }: CompareRequest, by: string, signal: AbortSignal): Promise<void> {
    now = { ...idle, state: 'running', step: 'starting', by, startedAt: new Date().toISOString() };
    log.info({ by, names }, 'a comparison of bases started');
    worker = openJobProcess();
    try {
      const { sentence } = await worker.run(
        'compare',
        { config, options: { names, frames } },
        {
          signal,
          onNotice: (text) => log.warn(text),
          onProgress(step, done, total) {
            now = { ...now, step, done, total };
          },
        },
      );
      log.info(`bases were compared: ${sentence}`);
      now = { ...now, state: 'done', step: 'done' };
    } catch (error) {
      if (signal.aborted) {
        log.info('the comparison of bases was cancelled');
        now = { ...now, state: 'cancelled', step: 'cancelled' };
      } else {
        const known = error instanceof QcError ? error : new QcError('internal', (error as Error).message);
        log.warn(`the comparison of bases failed: ${known.line}`);
        const { code, message, remedy } = known;
        now = { ...now, state: 'failed', step: 'failed', error: { code, message, remedy } };
      }
    } finally {
      await worker[Symbol.asyncDispose]();
      worker = undefined;
      stop = undefined;
    }
  }

  return {
    get isRunning() {
      return stop !== undefined;
    },
    async view() {
      return { ...now, comparison: (await lastComparison(config.storage.directory)) ?? null };
    },
    start(request, by) {
      if (stop) throw new QcError('training-busy', `${now.by ?? 'someone'} already compares bases`);
      if (isTraining()) throw new QcError('training-busy', 'a training is running');
      stop = new AbortController();
      void compare(request, by, stop.signal);
    },
    cancel: () => stop?.abort(new Error('cancelled')),
    async [Symbol.asyncDispose]() {
      stop?.abort(new Error('the agent stops'));
      await worker?.[Symbol.asyncDispose]();
    },
  };
}

const idle: Progress = {
  state: 'idle',
  step: '',
  done: 0,
  total: 0,
  startedAt: null,
  by: null,
  error: null,
};
