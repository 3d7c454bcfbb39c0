/**
 * Pictures of all cameras on their way to the workers, several in one run where that is worth it. While all workers are
 * busy what comes meanwhile makes the next run; a worker that is free waits for more only where the line is so fast that
 * more is about to come, and never longer than the budget.
 */
import { QcError } from '../../config/errors.ts';
import { Lanes } from './lanes.ts';
import type { Answer, PictureTask, RunTimes } from './messages.ts';
import type { InferenceWorker } from './worker.ts';

export interface BatchOptions {
  /** Most pictures in one run. */
  readonly most: number;
  /** Longest that a picture waits for others while a worker is free, ms. */
  readonly waitMs: number;
  /** Runs that one worker has under way at a time; default 1. */
  readonly parallel?: number;
  /** How many times the threads of another run a wide one has, beside which none runs; default 1: there is no such thing. */
  readonly wide?: number;
}

export interface Answered extends RunTimes {
  readonly answer: Answer;
  /** Waiting for a worker, ms. */
  readonly queueMs: number;
  /** Pictures in the run. */
  readonly batch: number;
}

export interface Batcher {
  /** @param lane who asks: lanes take turns. @throws QcError overloaded, inference-stopped */
  ask(task: PictureTask, lane: string): Promise<Answered>;
  /** A worker may be free. */
  pump(): void;
  /** Rejects what no worker was free for and whatever is asked from now on. */
  end(error: QcError): void;
}

/** Pictures of one lane that may wait; more is a fault of the caller or too slow a machine. */
const longestLane = 64;
/** How fast the measured pace of the line follows, share of each gap. */
const follow = 0.2;

type Worker = Pick<InferenceWorker, 'busy' | 'run'>;

interface PendingImage {
  readonly task: PictureTask;
  readonly askedAt: number;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: unknown) => void;
}

export function openBatcher(
  workers: readonly Worker[],
  { most, waitMs, parallel = 1, wide = 1 }: BatchOptions,
): Batcher {
  const waiting = new Lanes<PendingImage>();
  /** When each began its newest run. */
  const startedAt = new Map<Worker, number>();
  let fault: QcError | undefined;
  let pumping = false;
  let timer: NodeJS.Timeout | undefined;
  /** One run has all threads. */
  let occupied = false;
  let lastAt = Number.NEGATIVE_INFINITY;
  /** Mean time from one picture to the next, ms. */
  let gapMs = Number.POSITIVE_INFINITY;

  function pump(): void {
    // What is asked in one turn (the frames of one part) goes together.
    if (pumping) return;
    pumping = true;
    queueMicrotask(() => {
      pumping = false;
      handOut();
    });
  }

  function handOut(): void {
    while (waiting.length > 0 && !fault && !occupied) {
      const free = nextFree();
      if (free.busy >= mostBusy() || isWorthWaiting()) return;
      const goesWide = isForAllThreads();
      start(free, waiting.take(most), goesWide);
    }
  }

  /**
   * Side by side most pictures get through; but what is too few for that is answered sooner one by one on
   * all threads, and first, so that what follows fills the workers.
   */
  function isForAllThreads(): boolean {
    if (workers.some(({ busy }) => busy > 0)) return false;
    const left = Math.ceil(waiting.length / most) % workers.length;
    return left > 0 && left < wide;
  }

  /** The least busy; of those that are equally busy the one that began first, and so will be free first. */
  function nextFree(): Worker {
    const begun = (worker: Worker) => startedAt.get(worker) ?? 0;
    return workers.reduce((first, worker) =>
      worker.busy < first.busy ||
      (worker.busy > 0 && worker.busy === first.busy && begun(worker) < begun(first))
        ? worker
        : first,
    );
  }

  /**
   * A worker that runs one at a time has one that is full lying ready behind it, so that it never waits for this thread; one
   * that only waits for others has as many under way as it may.
   */
  const mostBusy = () => (parallel === 1 && waiting.length >= most ? 2 : parallel);

  function isWorthWaiting(): boolean {
    const missing = most - waiting.length;
    if (missing <= 0 || waitMs <= 0) return false;
    const left = waitMs - (performance.now() - waiting.oldest(({ askedAt }) => askedAt)!);
    if (gapMs > left) return false;
    timer ??= setTimeout(() => {
      timer = undefined;
      pump();
    }, left);
    return true;
  }

  function start(worker: Worker, jobs: readonly PendingImage[], goesWide: boolean): void {
    occupied = goesWide;
    startedAt.set(worker, performance.now());
    clearTimeout(timer);
    timer = undefined;
    worker
      .run(
        jobs.map(({ task }) => task),
        goesWide || workers.length === 1,
      )
      .finally(() => {
        if (goesWide) occupied = false;
        pump();
      })
      .then(
        ({ outcomes, times }) => {
          const now = performance.now();
          for (const [n, { askedAt, resolve, reject }] of jobs.entries()) {
            const answer = outcomes[n]!;
            const queueMs = Math.max(0, now - askedAt - times.inferenceMs);
            if (answer instanceof QcError) reject(answer);
            else resolve({ answer, ...times, queueMs, batch: jobs.length });
          }
        },
        (error) => {
          for (const { reject } of jobs) reject(error);
        },
      );
  }

  return {
    pump,
    ask: (task, lane) =>
      new Promise((resolve, reject) => {
        if (fault) throw fault;
        if (waiting.lengthOf(lane) >= longestLane) {
          throw new QcError('overloaded', `${longestLane} pictures are waiting for the model already`);
        }
        const askedAt = performance.now();
        const gap = askedAt - lastAt;
        gapMs = Number.isFinite(gapMs) ? gapMs + follow * (gap - gapMs) : gap;
        lastAt = askedAt;
        waiting.push(lane, { task, askedAt, resolve, reject });
        pump();
      }),
    end(error) {
      // What was asked before, and only waits for its turn of this thread, is still done.
      handOut();
      fault ??= error;
      clearTimeout(timer);
      for (const { reject } of waiting.take(waiting.length)) reject(fault);
    },
  };
}
