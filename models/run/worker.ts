/**
 * One worker thread that runs the model, seen from outside. onnxruntime's `run` blocks the thread that calls
 * it for the whole inference, so preparation, base and heads all live over there (session-worker.ts).
 */
import { Worker } from 'node:worker_threads';
import { QcError } from '../../config/errors.ts';
import type {
  Answer,
  Asked,
  FromWorker,
  HeadTask,
  Opened,
  PictureTask,
  RemoteNews,
  RunTimes,
  SentError,
  ToWorker,
  WorkerData,
  WorkerRequest,
} from './messages.ts';

/** What came of one run: an answer or an error for each picture, in their order. */
export interface Ran {
  readonly outcomes: readonly (Answer | QcError)[];
  readonly times: RunTimes;
}

export interface InferenceWorker extends Opened, AsyncDisposable {
  /** Runs that were asked for and are not answered yet. */
  readonly busy: number;
  /** Runs pictures through the base together, at most `facts.batch`; what is asked is answered in that order. @param wide with all threads */
  run(tasks: readonly PictureTask[], wide: boolean): Promise<Ran>;
  /** Loads or unloads a head. @throws QcError head-damaged */
  change(task: HeadTask): Promise<void>;
  /** Settles when the thread is gone: with the reason where nobody closed it. */
  readonly ended: Promise<QcError | undefined>;
}

interface PendingRun {
  /** Lent to this run. */
  readonly stages: readonly Stage[];
  readonly resolve: (ran: Ran) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Starts the thread, opens base and provider there and checks them. Closing waits for what was asked.
 * @param script another one that behaves like session-worker.ts (tests let one die)
 * @param onRemote told what happens at the inference server, from before it is open
 * @throws QcError what `openBase` throws, model-check-failed, provider-unavailable
 */
export async function openWorker(
  request: WorkerRequest,
  script = new URL('../session-worker.js', import.meta.url),
  onRemote: (news: RemoteNews) => void = () => undefined,
): Promise<InferenceWorker> {
  // From 1.29 on onnxruntime reports models, hardware and use to its maker unless told not to before it is loaded.
  // Native code reads the environment of the process, which a worker's process.env is only a copy of.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const guard = new Int32Array(new SharedArrayBuffer(8));
  const workerData: WorkerData = { request, guard };
  // Features are small objects with memory outside the heap: without a small young generation they would pile up for minutes.
  const worker = new Worker(script, { workerData, resourceLimits: { maxYoungGenerationSizeMb: 2 } });
  const running = new Map<number, PendingRun>();
  const stages = createStages();
  let nextId = 0;
  let closing = false;
  let fault: QcError | undefined;

  // A thread that is torn down inside native code takes the whole process with it (Napi::Error → abort):
  // it is never terminated, and a process that exits first lets the inference finish.
  const letFinish = () => {
    Atomics.store(guard, 1, 1);
    Atomics.wait(guard, 0, 1, 5_000);
  };
  process.once('exit', letFinish);

  worker.on('error', (cause) => {
    fault = new QcError('inference-stopped', `the inference thread died: ${cause.message}`, { cause });
  });
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve)).then((code) => {
    process.removeListener('exit', letFinish);
    fault ??= closing ? undefined : new QcError('inference-stopped', `the inference thread ended (${code})`);
    const error = fault ?? new QcError('inference-stopped', 'the model was closed');
    // Who watches the thread knows before those who asked it, and has begun to open it again.
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

  function ask(tasks: Asked['tasks'], wide: boolean, used: readonly Stage[]): Promise<Ran> {
    return new Promise((resolve, reject) => {
      if (closing || fault) throw fault ?? new QcError('inference-stopped', 'the model is closed');
      const id = nextId++;
      running.set(id, { stages: used, resolve, reject });
      worker.postMessage({ id, tasks, wide } satisfies ToWorker);
    });
  }

  try {
    const opened = await opening;
    // What runs, and as much that lies ready.
    const { batch, parallel = 1 } = opened.facts;
    stages.mostSpare = 2 * batch * parallel;
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
 * The task as it crosses to the thread. Pixels in shared memory are shared; others are copied into such memory, so
 * that the caller keeps the picture and neither thread has garbage to collect for it.
 */
function createStages() {
  const spare: Stage[] = [];
  return {
    /** Kept to be filled again. */
    mostSpare: 2,
    handOver(task: PictureTask): [PictureTask, Stage | undefined] {
      if (task.image.data.buffer instanceof SharedArrayBuffer) return [task, undefined];
      const { width, height, data } = task.image;
      const at = spare.findIndex((stage) => stage.length >= data.length);
      const stage = at >= 0 ? spare.splice(at, 1)[0]! : new Uint8Array(new SharedArrayBuffer(data.length));
      // One of the wrong size is of no use to this camera any more.
      if (at < 0) spare.shift();
      stage.set(data);
      return [{ ...task, image: { width, height, data: stage.subarray(0, data.length) } }, stage];
    },
    release(stage: Stage): void {
      if (spare.length < this.mostSpare) spare.push(stage);
    },
  };
}

function received({ code, message, remedy }: SentError): QcError {
  return new QcError(code, message, { remedy });
}
