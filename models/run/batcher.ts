/**
 * Distributes the images of all cameras to the workers, in batches if that helps. While all workers are busy, new images are
 * collected for the next run. An idle worker waits for more images only if the measured rate suggests that one will arrive within
 * the time limit.
 */
import { QcError } from '../../config/errors.ts';
import { Lanes } from './lanes.ts';
import type { Answer, ImageTask, RunTimes } from './messages.ts';
import type { InferenceWorker } from './worker.ts';

export interface BatchOptions {
  /** Maximum number of images in one run. */
  readonly maxBatch: number;
  /** Maximum time that an image waits for others while a worker is idle, ms. */
  readonly waitMs: number;
  /** Number of concurrent runs of one worker; default 1. */
  readonly parallel?: number;
  /** Number of threads of a wide run relative to a narrow one; a wide run is exclusive. Default 1: no wide runs. */
  readonly wide?: number;
}

export interface Answered extends RunTimes {
  readonly answer: Answer;
  /** Time spent waiting for a worker, ms. */
  readonly queueMs: number;
  /** Number of images in the run. */
  readonly batch: number;
}

export interface Batcher {
  /** @param lane the requester; lanes are served in turn. @throws QcError overloaded, inference-stopped */
  ask(task: ImageTask, lane: string): Promise<Answered>;
  /** Call when a worker may be idle. */
  pump(): void;
  /** Rejects all pending and future requests. */
  end(error: QcError): void;
}

/** Maximum number of pending images per lane; more means a bug in the caller or a machine that is too slow. */
const maxPendingPerLane = 64;
/** Smoothing factor of the measured interval between images. */
const smoothing = 0.2;

type Worker = Pick<InferenceWorker, 'busy' | 'run'>;

interface PendingImage {
  readonly task: ImageTask;
  readonly askedAt: number;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: unknown) => void;
}

export function openBatcher(
  workers: readonly Worker[],
  { maxBatch, waitMs, parallel = 1, wide = 1 }: BatchOptions,
): Batcher {
  const waiting = new Lanes<PendingImage>();
  /** Start of the latest run of each worker. */
  const startedAt = new Map<Worker, number>();
  let fault: QcError | undefined;
  let pumping = false;
  let timer: NodeJS.Timeout | undefined;
  /** A wide run is in progress. */
  let isWideRunning = false;
  let lastAt = Number.NEGATIVE_INFINITY;
  /** Mean interval between images, ms. */
  let gapMs = Number.POSITIVE_INFINITY;

  function pump(): void {
    // Requests of the same event-loop turn (the frames of one part) go into one batch.
    if (pumping) return;
    pumping = true;
    queueMicrotask(() => {
      pumping = false;
      dispatch();
    });
  }

  function dispatch(): void {
    while (waiting.length > 0 && !fault && !isWideRunning) {
      const free = nextFree();
      if (free.busy >= maxRuns() || isWorthWaiting()) return;
      const goesWide = isForAllThreads();
      start(free, waiting.take(maxBatch), goesWide);
    }
  }

  /**
   * Narrow concurrent runs give the highest throughput. If there are too few images to keep all workers busy, a wide run on all
   * threads has a lower latency; it runs first, so that the following images can use all workers.
   */
  function isForAllThreads(): boolean {
    if (workers.some(({ busy }) => busy > 0)) return false;
    const left = Math.ceil(waiting.length / maxBatch) % workers.length;
    return left > 0 && left < wide;
  }

  /** The least busy worker; among equally busy ones the one that started first, which will probably finish first. */
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
   * A worker that runs one batch at a time gets a second full batch in advance, so that it never waits for this thread. A worker
   * that waits for a server gets as many as it may run concurrently.
   */
  const maxRuns = () => (parallel === 1 && waiting.length >= maxBatch ? 2 : parallel);

  function isWorthWaiting(): boolean {
    const missing = maxBatch - waiting.length;
    if (missing <= 0 || waitMs <= 0) return false;
    const left = waitMs - (performance.now() - waiting.oldest(({ askedAt }) => askedAt)!);
    if (gapMs > left) return false;
    timer ??= setTimeout(() => {
      timer = undefined;
      pump();
    }, left);
    return true;
  }

  function start(worker: Worker, batch: readonly PendingImage[], goesWide: boolean): void {
    isWideRunning = goesWide;
    startedAt.set(worker, performance.now());
    clearTimeout(timer);
    timer = undefined;
    worker
      .run(
        batch.map(({ task }) => task),
        goesWide || workers.length === 1,
      )
      .finally(() => {
        if (goesWide) isWideRunning = false;
        pump();
      })
      .then(
        ({ outcomes, times }) => {
          const now = performance.now();
          for (const [n, { askedAt, resolve, reject }] of batch.entries()) {
            const answer = outcomes[n]!;
            const queueMs = Math.max(0, now - askedAt - times.inferenceMs);
            if (answer instanceof QcError) reject(answer);
            else resolve({ answer, ...times, queueMs, batch: batch.length });
          }
        },
        (error) => {
          for (const { reject } of batch) reject(error);
        },
      );
  }

  return {
    pump,
    ask: (task, lane) =>
      new Promise((resolve, reject) => {
        if (fault) throw fault;
        if (waiting.lengthOf(lane) >= maxPendingPerLane) {
          throw new QcError('overloaded', `${maxPendingPerLane} images are already waiting for the model`);
        }
        const askedAt = performance.now();
        const gap = askedAt - lastAt;
        gapMs = Number.isFinite(gapMs) ? gapMs + smoothing * (gap - gapMs) : gap;
        lastAt = askedAt;
        waiting.push(lane, { task, askedAt, resolve, reject });
        pump();
      }),
    end(error) {
      // Requests that could start now are still processed.
      dispatch();
      fault ??= error;
      clearTimeout(timer);
      for (const { reject } of waiting.take(waiting.length)) reject(fault);
    },
  };
}
