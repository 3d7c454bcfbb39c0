/**
 * Controls one worker thread that runs the model. onnxruntime's `run` blocks the calling thread during inference, so preparation,
 * base and heads all run in the worker (session-worker.ts).
 */
import { Worker } from 'node:worker_threads';
import { QcError } from '../../config/errors.ts';
import type {
  Answer,
  FromWorker,
  HeadTask,
  ImageTask,
  Opened,
  RemoteNews,
  RunRequest,
  RunTimes,
  SentError,
  ToWorker,
  WorkerData,
  WorkerRequest,
} from './messages.ts';

/** The result of one run: an answer or an error for each image, in order. */
export interface RunResult {
  readonly outcomes: readonly (Answer | QcError)[];
  readonly times: RunTimes;
}

export interface InferenceWorker extends Opened, AsyncDisposable {
  /** Number of pending runs. */
  readonly busy: number;
  /** Runs at most `facts.batch` images as one batch; requests are answered in order. @param wide use all threads */
  run(tasks: readonly ImageTask[], wide: boolean): Promise<RunResult>;
  /** Loads or unloads a head. @throws QcError head-damaged */
  change(task: HeadTask): Promise<void>;
  /** Settles when the thread has ended, with the reason unless it was closed. */
  readonly ended: Promise<QcError | undefined>;
}

interface PendingRun {
  /** Buffers used by this run. */
  readonly stages: readonly Stage[];
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Starts the thread, which opens and verifies base and provider. Closing waits for pending requests.
 * @param script replaces session-worker.ts (for tests of a thread that fails)
 * @param onRemote receives events of the inference server, already while it opens
 * @throws QcError as `openBase`, model-check-failed, provider-unavailable
 */
export async function openWorker(
  request: WorkerRequest,
  script = new URL('../session-worker.js', import.meta.url),
  onRemote: (news: RemoteNews) => void = () => undefined,
): Promise<InferenceWorker> {
  // Since 1.29 onnxruntime sends telemetry unless this is set before it is loaded. Native code reads the environment of the
  // process; a worker's process.env is only a copy of it.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const guard = new Int32Array(new SharedArrayBuffer(8));
  const workerData: WorkerData = { request, guard };
  // Features are small objects with memory outside of the heap. A small young generation makes the collector free them early.
  const worker = new Worker(script, { workerData, resourceLimits: { maxYoungGenerationSizeMb: 2 } });
  const running = new Map<number, PendingRun>();
  const stages = createStages();
  let nextId = 0;
  let closing = false;
  let fault: QcError | undefined;

  // Terminating a thread inside native code aborts the whole process (Napi::Error): it is never terminated, and an exiting process
  // waits for the inference first.
  const waitForNative = () => {
    Atomics.store(guard, 1, 1);
    Atomics.wait(guard, 0, 1, 5_000);
  };
  process.once('exit', waitForNative);

  worker.on('error', (cause) => {
    fault = new QcError('inference-stopped', `the inference thread failed: ${cause.message}`, { cause });
  });
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve)).then((code) => {
    process.removeListener('exit', waitForNative);
    fault ??= closing ? undefined : new QcError('inference-stopped', `the inference thread ended (${code})`);
    const error = fault ?? new QcError('inference-stopped', 'the model was closed');
    // Observers of `ended` run before the pending requests are rejected, so that the restart has already begun.
    setImmediate(() => {
      for (const job of running.values()) job.reject(error);
      running.clear();
    });
    return fault;
  });

  const opening = new Promise<Opened>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if ('opened' in message) resolve(message.opened);
      else if ('id' in message) settle(message);
      else if ('remote' in message) onRemote(message.remote);
      else reject(received(message.failed));
    });
    ended.then((error) => reject(error));
  });

  function settle(message: Extract<FromWorker, { id: number }>) {
    const job = running.get(message.id);
    running.delete(message.id);
    for (const stage of job?.stages ?? []) stages.release(stage);
    closeWhenIdle();
    const { outcomes, times } = message;
    job?.resolve({
      outcomes: outcomes.map((outcome) => ('failed' in outcome ? received(outcome.failed) : outcome)),
      times,
    });
  }

  function closeWhenIdle() {
    if (closing && running.size === 0) worker.postMessage({ close: true } satisfies ToWorker);
  }

  function ask(tasks: RunRequest['tasks'], wide: boolean, used: readonly Stage[]): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      if (closing || fault) throw fault ?? new QcError('inference-stopped', 'the model is closed');
      const id = nextId++;
      running.set(id, { stages: used, resolve, reject });
      worker.postMessage({ id, tasks, wide } satisfies ToWorker);
    });
  }

  try {
    const opened = await opening;
    // Enough for the current runs and the same number prepared.
    const { batch, parallel = 1 } = opened.facts;
    stages.maxSpare = 2 * batch * parallel;
    return {
      ...opened,
      ended,
      get busy() {
        return running.size;
      },
      run(tasks, wide) {
        const handed = tasks.map((task) => stages.handOver(task));
        return ask(
          handed.map(([task]) => task),
          wide,
          handed.flatMap(([, stage]) => stage ?? []),
        );
      },
      async change(task) {
        const { outcomes } = await ask([task], false, []);
        if (outcomes[0] instanceof QcError) throw outcomes[0];
      },
      async [Symbol.asyncDispose]() {
        if (!closing) {
          closing = true;
          closeWhenIdle();
        }
        await ended;
      },
    };
  } catch (error) {
    closing = true;
    await ended;
    throw error;
  }
}

type Stage = Uint8Array<SharedArrayBuffer>;

/**
 * Passes pixels to the thread in shared memory. Pixels that are not in shared memory are copied to reusable shared buffers, so that
 * the caller keeps its image and neither thread creates garbage.
 */
function createStages() {
  const spare: Stage[] = [];
  return {
    /** Maximum number of spare buffers. */
    maxSpare: 2,
    handOver(task: ImageTask): [ImageTask, Stage | undefined] {
      if (task.image.data.buffer instanceof SharedArrayBuffer) return [task, undefined];
      const { width, height, data } = task.image;
      const at = spare.findIndex((stage) => stage.length >= data.length);
      const stage = at >= 0 ? spare.splice(at, 1)[0]! : new Uint8Array(new SharedArrayBuffer(data.length));
      // A spare buffer that is too small is not needed any more.
      if (at < 0) spare.shift();
      stage.set(data);
      return [{ ...task, image: { width, height, data: stage.subarray(0, data.length) } }, stage];
    },
    release(stage: Stage): void {
      if (spare.length < this.maxSpare) spare.push(stage);
    },
  };
}

function received({ code, message, remedy }: SentError): QcError {
  return new QcError(code, message, { remedy });
}
