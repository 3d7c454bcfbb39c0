/** Runs training and dataset checks in child processes; one training at a time. */

import { QcError } from '../../config/errors.ts';
import type { Finding } from '../finding.ts';
import { type JobProcess, openJobProcess } from '../jobs/job-process.ts';
import type { JobConfig } from '../jobs/messages.ts';
import { createTimeLeft } from '../jobs/time-left.ts';
import type { TrainingView, TrainOptions } from '../views.ts';
import { idle } from './job-desk.ts';
import type { Log } from './log.ts';
import { createQuantizing } from './quantizing.ts';

export interface TrainingDesk extends AsyncDisposable {
  readonly view: TrainingView;
  /** Starts and returns at once. @throws QcError training-busy */
  start(options: StationTraining, by: string): void;
  /** Does nothing if no training runs. */
  cancel(): void;
  examine(): Promise<readonly Finding[]>;
}

/** `base`: another base than the one in use. */
export interface StationTraining extends TrainOptions {
  readonly base?: string;
}

export interface TrainingMetrics {
  /** @param seconds from the start to the end */
  trained(outcome: string, seconds: number): void;
}

export interface TrainingDeps {
  readonly log: Log;
  readonly metrics: TrainingMetrics;
  /** A candidate was made. */
  readonly onCandidate: (version: string) => Promise<void>;
  /** Makes a candidate the active head. @throws QcError gate-refused */
  readonly promote: (version: string, by: string) => Promise<void>;
}

/** Maximum number of notices of one training. */
const maxNotices = 20;

export function createTrainingDesk(
  config: JobConfig,
  { log, metrics, onCandidate, promote }: TrainingDeps,
): TrainingDesk {
  let view: TrainingView = idleTraining;
  let stop: AbortController | undefined;
  let examining: Promise<readonly Finding[]> | undefined;
  const running = new Set<JobProcess>();

  /** Runs work in a child process that ends afterwards. */
  async function inProcess<T>(work: (worker: JobProcess) => Promise<T>): Promise<T> {
    const worker = openJobProcess();
    running.add(worker);
    try {
      return await work(worker);
    } finally {
      running.delete(worker);
      await worker[Symbol.asyncDispose]();
    }
  }

  const quantizing = createQuantizing(config, log, inProcess);

  async function train(options: StationTraining, by: string, signal: AbortSignal): Promise<void> {
    const { seed, base, promote: isWanted = false, ...asked } = options;
    const startedAt = new Date();
    const startedMs = performance.now();
    view = { ...idleTraining, state: 'running', step: 'starting', by, startedAt: startedAt.toISOString() };
    const timeLeft = createTimeLeft();
    log.info({ by }, 'training started');
    // Missing options are taken from the config.
    const training = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    try {
      const version = await inProcess((worker) =>
        worker.run(
          'train',
          { config, options: { by, seed, base, training } },
          {
            signal,
            onNotice(text) {
              log.warn(text);
              view = { ...view, notices: [...view.notices, text].slice(-maxNotices) };
            },
            onProgress(step, done, total) {
              if (step !== view.step) log.info(`training: ${step}, ${total} steps`);
              view = { ...view, step, done, total, secondsLeft: timeLeft(step, done, total) ?? null };
            },
          },
        ),
      );
      await onCandidate(version);
      log.info({ version }, 'training has created a candidate');
      if (isWanted) await promoteIfAllowed(version, by);
      view = { ...view, state: 'done', step: 'done', version };
      quantizing.begin(version, base);
    } catch (error) {
      if (signal.aborted) {
        log.info('training was cancelled; nothing has changed');
        view = { ...view, state: 'cancelled', step: 'cancelled' };
      } else {
        const known = error instanceof QcError ? error : new QcError('internal', (error as Error).message);
        log.warn(`training failed: ${known.line}`);
        const { code, message, remedy } = known;
        view = { ...view, state: 'failed', step: 'failed', error: { code, message, remedy } };
      }
    } finally {
      stop = undefined;
      metrics.trained(view.state, (performance.now() - startedMs) / 1000);
    }
  }

  /** If the gate refuses it, the version stays a candidate. */
  async function promoteIfAllowed(version: string, by: string): Promise<void> {
    try {
      await promote(version, by);
    } catch (error) {
      if (!(error instanceof QcError) || error.code !== 'gate-refused') throw error;
      log.warn(error.message);
      view = { ...view, notices: [...view.notices, error.message].slice(-maxNotices) };
    }
  }

  return {
    get view() {
      return view;
    },
    start(options, by) {
      if (stop) throw new QcError('training-busy', `${view.by ?? 'someone'} has already started a training`);
      quantizing.cancel();
      stop = new AbortController();
      void train(options, by, stop.signal);
    },
    cancel: () => stop?.abort(new Error('cancelled')),
    async examine() {
      // Concurrent requests share one examination.
      examining ??= inProcess((worker) =>
        worker.run('doctor', { config }, { onNotice: (text) => log.warn(text) }),
      ).finally(() => {
        examining = undefined;
      });
      return await examining;
    },
    async [Symbol.asyncDispose]() {
      stop?.abort(new Error('the agent stops'));
      quantizing.cancel();
      await Promise.all(Array.from(running, (worker) => worker[Symbol.asyncDispose]()));
    },
  };
}

const idleTraining: TrainingView = { ...idle, secondsLeft: null, version: null, notices: [] };
