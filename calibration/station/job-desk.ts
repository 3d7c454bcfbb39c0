/** The state of one kind of job in a child process while the line runs: one at a time, with progress. */
import { QcError } from '../../config/errors.ts';
import type { JobView } from '../compare/views.ts';
import { type JobProcess, openJobProcess } from '../jobs/job-process.ts';
import type { Log } from './log.ts';

export interface JobTools {
  readonly worker: JobProcess;
  readonly signal: AbortSignal;
  readonly onProgress: (step: string, done: number, total: number) => void;
}

export interface JobDesk extends AsyncDisposable {
  readonly isRunning: boolean;
  readonly view: JobView;
  /**
   * Returns when the work has ended, with or without success; the view has the result.
   * @param what name in the log: "the comparison of bases" @throws nothing
   */
  run(by: string, what: string, work: (tools: JobTools) => Promise<void>): Promise<void>;
  /** Does nothing if no job runs. */
  cancel(): void;
}

export function createJobDesk(log: Log): JobDesk {
  let view: JobView = idle;
  let stop: AbortController | undefined;
  let worker: JobProcess | undefined;

  function endOf(error: unknown, what: string, signal: AbortSignal): Partial<JobView> {
    if (signal.aborted) {
      log.info(`${what} was cancelled`);
      return { state: 'cancelled', step: 'cancelled' };
    }
    const known = error instanceof QcError ? error : new QcError('internal', (error as Error).message);
    log.warn(`${what} failed: ${known.line}`);
    const { code, message, remedy } = known;
    return { state: 'failed', step: 'failed', error: { code, message, remedy } };
  }

  return {
    get isRunning() {
      return stop !== undefined;
    },
    get view() {
      return view;
    },
    async run(by, what, work) {
      const mine = new AbortController();
      stop = mine;
      view = { ...idle, state: 'running', step: 'starting', by, startedAt: new Date().toISOString() };
      log.info({ by }, `${what} started`);
      worker = openJobProcess();
      const onProgress = (step: string, done: number, total: number) => {
        view = { ...view, step, done, total };
      };
      const end = await work({ worker, signal: mine.signal, onProgress }).then(
        (): Partial<JobView> => ({ state: 'done', step: 'done' }),
        (error: unknown) => endOf(error, what, mine.signal),
      );
      await worker[Symbol.asyncDispose]();
      worker = undefined;
      stop = undefined;
      // Last, because a client that reads the end may start the next one.
      view = { ...view, ...end };
    },
    cancel: () => stop?.abort(new Error('cancelled')),
    async [Symbol.asyncDispose]() {
      stop?.abort(new Error('the agent stops'));
      await worker?.[Symbol.asyncDispose]();
    },
  };
}

export const idle: JobView = {
  state: 'idle',
  step: '',
  done: 0,
  total: 0,
  startedAt: null,
  by: null,
  error: null,
};
