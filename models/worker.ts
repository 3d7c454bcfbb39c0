/**
 * One worker thread that runs the model, seen from outside. onnxruntime's `run` blocks the thread that calls
 * it for the whole inference, so preparation, base and heads all live over there (session-worker.ts).
 */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, QcError } from '../config/errors.ts';
import type { BaseRequest } from './base.ts';
import type { Image } from './image.ts';
import type { BaseManifest, Precision } from './manifest.ts';
import type { Provider } from './providers.ts';

export interface WorkerRequest extends BaseRequest {
  readonly provider: 'auto' | Provider;
  /** Also keep the map before pooling, for the task `map`; costs memory. */
  readonly maps?: boolean;
  /** CPU threads of one inference; 0 = one a core. */
  readonly threads: number;
  /** Folder where compiled graphs are kept (compiled.ts); none are made without one. */
  readonly cache?: string;
  /** A compiled graph of this base that was proved already. */
  readonly compiled?: string | undefined;
}

export interface SessionFacts {
  readonly manifest: BaseManifest;
  readonly precision: Precision;
  /** Why this variant of the base. */
  readonly because: string;
  readonly provider: Provider;
  /** Why what was tried first does not run: "cuda: no NVIDIA device on this machine". */
  readonly why: readonly string[];
}

/** A head as the worker needs it: the bytes of head.onnx, and what to call its answers. */
export interface LoadedHead {
  readonly version: string;
  readonly labels: readonly string[];
  readonly model: Uint8Array;
}

/** What one head says. */
export interface HeadAnswer {
  readonly version: string;
  readonly probabilities: Readonly<Record<string, number>>;
  readonly familiarity?: number | undefined;
}

/** The base's last map before pooling. */
export interface FeatureMap {
  /** [D,height,width] */
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

export type Task =
  | {
      readonly kind: 'judge';
      readonly image: Image;
      /** Versions of heads that were loaded before. */
      readonly head: string | undefined;
      readonly shadow: string | undefined;
    }
  | { readonly kind: 'features'; readonly image: Image }
  | { readonly kind: 'map'; readonly image: Image }
  | { readonly kind: 'load'; readonly head: LoadedHead }
  | { readonly kind: 'unload'; readonly version: string };
export type ToWorker = { readonly id: number; readonly task: Task } | { readonly close: true };
export type FromWorker =
  | { readonly opened: Opened }
  | { readonly failed: SentError }
  | { readonly id: number; readonly failed: SentError }
  | { readonly id: number; readonly answer: Answer; readonly inferenceMs: number };
export interface Opened {
  readonly facts: SessionFacts;
  /** The compiled graph that runs, where one does. */
  readonly compiled: string | undefined;
}
/** Which fields there are follows from the task. */
export interface Answer {
  readonly features?: Float32Array;
  readonly map?: FeatureMap;
  readonly active?: HeadAnswer | undefined;
  readonly shadow?: HeadAnswer | undefined;
}
export interface SentError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
}
export interface WorkerData {
  readonly request: WorkerRequest;
  /** [0] is 1 while native code runs, [1] is 1 once the process is exiting. */
  readonly guard: Int32Array;
}

export interface Answered {
  readonly answer: Answer;
  /** Preparation, base and head together, ms. */
  readonly inferenceMs: number;
}

export interface InferenceWorker extends Opened, AsyncDisposable {
  /** Tasks that were given and are not answered yet. */
  readonly busy: number;
  /** Answered in their order, one at a time. */
  run(task: Task): Promise<Answered>;
  /** Settles when the thread is gone: with the reason where nobody closed it. */
  readonly ended: Promise<QcError | undefined>;
}

interface Job {
  readonly stage: Stage | undefined;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Starts the thread, opens base and provider there and checks them. Closing waits for what was asked.
 * @param script another one that behaves like session-worker.ts (tests let one die)
 * @throws QcError what `openBase` throws, model-check-failed, provider-unavailable
 */
export async function openWorker(
  request: WorkerRequest,
  script = new URL('./session-worker.js', import.meta.url),
): Promise<InferenceWorker> {
  // From 1.29 on onnxruntime reports models, hardware and use to its maker unless told not to before it is loaded.
  // Native code reads the environment of the process, which a worker's process.env is only a copy of.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const guard = new Int32Array(new SharedArrayBuffer(8));
  const workerData: WorkerData = { request, guard };
  const worker = new Worker(script, { workerData });
  const running = new Map<number, Job>();
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
      else reject(received(message.failed));
    });
    ended.then((error) => reject(error));
  });

  function settle(message: Extract<FromWorker, { id: number }>) {
    const job = running.get(message.id);
    running.delete(message.id);
    stages.release(job?.stage);
    closeWhenIdle();
    if ('failed' in message) job?.reject(received(message.failed));
    else job?.resolve({ answer: message.answer, inferenceMs: message.inferenceMs });
  }

  function closeWhenIdle() {
    if (closing && running.size === 0) worker.postMessage({ close: true } satisfies ToWorker);
  }

  try {
    const opened = await opening;
    return {
      ...opened,
      ended,
      get busy() {
        return running.size;
      },
      run: (task) =>
        new Promise((resolve, reject) => {
          if (closing || fault) throw fault ?? new QcError('inference-stopped', 'the model is closed');
          const id = nextId++;
          const [handed, stage] = stages.handOver(task);
          running.set(id, { stage, resolve, reject });
          worker.postMessage({ id, task: handed } satisfies ToWorker);
        }),
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

/** Memory that both threads see, kept to be filled again: one picture runs, one lies ready. */
const mostSpare = 2;

/**
 * The task as it crosses to the thread. Pixels in shared memory are shared; others are copied into such memory, so
 * that the caller keeps the picture and neither thread has garbage to collect for it.
 */
function createStages() {
  const spare: Stage[] = [];
  return {
    handOver(task: Task): [Task, Stage | undefined] {
      if (!('image' in task) || task.image.data.buffer instanceof SharedArrayBuffer) return [task, undefined];
      const { width, height, data } = task.image;
      const at = spare.findIndex((stage) => stage.length >= data.length);
      const stage = at >= 0 ? spare.splice(at, 1)[0]! : new Uint8Array(new SharedArrayBuffer(data.length));
      // One of the wrong size is of no use to this camera any more.
      if (at < 0) spare.shift();
      stage.set(data);
      return [{ ...task, image: { width, height, data: stage.subarray(0, data.length) } }, stage];
    },
    release(stage: Stage | undefined): void {
      if (stage && spare.length < mostSpare) spare.push(stage);
    },
  };
}

function received({ code, message, remedy }: SentError): QcError {
  return new QcError(code, message, { remedy });
}
