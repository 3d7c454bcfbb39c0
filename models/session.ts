/**
 * The worker thread that runs the model, seen from outside. onnxruntime's `run` blocks the thread that calls
 * it for the whole inference, so preparation, base and head all live over there (session-worker.ts).
 */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, QcError } from '../config/errors.ts';
import type { BaseRequest } from './base.ts';
import type { Image } from './image.ts';
import type { BaseManifest, Precision } from './manifest.ts';
import type { Provider } from './providers.ts';

export interface SessionRequest extends BaseRequest {
  readonly provider: 'auto' | Provider;
  /** Also keep the map before pooling, for `map`; costs memory. */
  readonly maps?: boolean;
  /** CPU threads of one inference; 0 = one a core. */
  readonly threads: number;
  /** Another worker script that behaves like session-worker.ts (tests let one die). */
  readonly worker?: URL;
}

export interface SessionFacts {
  readonly manifest: BaseManifest;
  readonly precision: Precision;
  readonly provider: Provider;
  /** Why the providers that were asked first do not run: "cuda: no NVIDIA device on this machine". */
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

export interface Judged {
  /** Label to probability; empty without a head. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** Cosine with the nearest labelled part; undefined where the head knows none. */
  readonly familiarity?: number | undefined;
  /** The head that judged, `none` without one. */
  readonly version: string;
  /** [D], pooled features of the base. */
  readonly features: Float32Array;
  /** What the head in the shadow says of the same features. */
  readonly shadow?: HeadAnswer | undefined;
  /** Preparation, base and head together, ms. */
  readonly inferenceMs: number;
  /** Waiting for the thread to be free, ms. */
  readonly queueMs: number;
}

export interface Session extends AsyncDisposable {
  readonly facts: SessionFacts;
  /** @param head version of a kept head that judges instead of the active one, without a shadow. @throws QcError version-unknown */
  judge(image: Image, head?: string): Promise<Judged>;
  /** Pooled features of the base, [size]. */
  features(image: Image): Promise<Float32Array>;
  /** @throws QcError why-unavailable where the session was opened without maps */
  map(image: Image): Promise<FeatureMap>;
  /** What is asked after this is judged by the new head, what was asked before by the old one. */
  useHead(head: LoadedHead | undefined): Promise<void>;
  /** Another head that judges the same features beside it; undefined ends it. */
  useShadow(head: LoadedHead | undefined): Promise<void>;
  /** Keeps another head, which judges only what names it; until the session closes. */
  keepHead(head: LoadedHead): Promise<void>;
  /** Settles when the thread is gone: with the reason where nobody closed it. */
  readonly ended: Promise<QcError | undefined>;
}

export type Task =
  | { readonly kind: 'judge' | 'features' | 'map'; readonly image: Image; readonly by?: string | undefined }
  | { readonly kind: 'head' | 'shadow'; readonly head: LoadedHead | undefined }
  | { readonly kind: 'keep'; readonly head: LoadedHead };
export type ToWorker = { readonly id: number; readonly task: Task } | { readonly close: true };
export type FromWorker =
  | { readonly opened: SessionFacts }
  | { readonly failed: SentError }
  | { readonly id: number; readonly failed: SentError; readonly pixels?: ArrayBuffer | undefined }
  | {
      readonly id: number;
      readonly answer: Answer;
      readonly inferenceMs: number;
      /** The picture's buffer, handed back to be filled again. */
      readonly pixels?: ArrayBuffer | undefined;
    };
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
  readonly request: Omit<SessionRequest, 'worker'>;
  /** [0] is 1 while native code runs, [1] is 1 once the process is exiting. */
  readonly guard: Int32Array;
}

/** Requests that may wait; more is a fault of the caller or too slow a machine. */
const longestQueue = 64;
/** Handed to the thread: one runs, one lies ready, so that it never waits for this thread. */
const handedOver = 2;

interface Answered {
  readonly answer: Answer;
  readonly inferenceMs: number;
  readonly queueMs: number;
}

interface Job {
  readonly task: Task;
  readonly askedAt: number;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts the thread, opens base and provider there and checks them. Throws what `openBase` does, or `provider-unavailable`. */
export async function openSession({ worker: entry, ...request }: SessionRequest): Promise<Session> {
  // From 1.29 on onnxruntime reports models, hardware and use to its maker unless told not to before it is loaded.
  // Native code reads the environment of the process, which a worker's process.env is only a copy of.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const guard = new Int32Array(new SharedArrayBuffer(8));
  const workerData: WorkerData = { request, guard };
  const worker = new Worker(entry ?? new URL('./session-worker.js', import.meta.url), { workerData });
  const waiting: Job[] = [];
  const running = new Map<number, Job>();
  const spare: ArrayBuffer[] = [];
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
  const exit = new Promise<number>((resolve) => worker.once('exit', resolve)).then((code) => {
    process.removeListener('exit', letFinish);
    fault ??= closing ? undefined : new QcError('inference-stopped', `the inference thread ended (${code})`);
    const error = fault ?? new QcError('inference-stopped', 'the model was closed');
    for (const job of [...running.values(), ...waiting.splice(0)]) job.reject(error);
    running.clear();
    return fault;
  });

  const opened = new Promise<SessionFacts>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if ('opened' in message) resolve(message.opened);
      else if ('id' in message) settle(message);
      else reject(received(message.failed));
    });
    exit.then((error) => reject(error));
  });

  function settle(message: Extract<FromWorker, { id: number }>) {
    const job = running.get(message.id);
    running.delete(message.id);
    if (message.pixels && spare.length < handedOver) spare.push(message.pixels);
    pump();
    if (!job) return;
    if ('failed' in message) job.reject(received(message.failed));
    else {
      const { answer, inferenceMs } = message;
      job.resolve({
        answer,
        inferenceMs,
        queueMs: Math.max(0, performance.now() - job.askedAt - inferenceMs),
      });
    }
  }

  function pump() {
    while (running.size < handedOver) {
      const job = waiting.shift();
      if (!job) break;
      const id = nextId++;
      running.set(id, job);
      const [task, transfer] = handOver(job.task, spare);
      worker.postMessage({ id, task } satisfies ToWorker, transfer);
    }
    if (closing && running.size === 0) worker.postMessage({ close: true } satisfies ToWorker);
  }

  function ask(task: Task) {
    return new Promise<Answered>((resolve, reject) => {
      if (closing || fault) reject(fault ?? new QcError('inference-stopped', 'the model is closed'));
      else if (waiting.length >= longestQueue) {
        reject(new QcError('overloaded', `${longestQueue} pictures are waiting for the model already`));
      } else {
        waiting.push({ task, resolve, reject, askedAt: performance.now() });
        pump();
      }
    });
  }

  try {
    const facts = await opened;
    return {
      facts,
      ended: exit,
      async judge(image, by) {
        const { answer, ...times } = await ask({ kind: 'judge', image, by });
        const { features, active = { version: 'none', probabilities: {} }, shadow } = answer;
        return { ...active, features: features!, ...(shadow && { shadow }), ...times };
      },
      features: async (image) => (await ask({ kind: 'features', image })).answer.features!,
      map: async (image) => (await ask({ kind: 'map', image })).answer.map!,
      async useHead(head) {
        await ask({ kind: 'head', head });
      },
      async useShadow(head) {
        await ask({ kind: 'shadow', head });
      },
      async keepHead(head) {
        await ask({ kind: 'keep', head });
      },
      async [Symbol.asyncDispose]() {
        if (!closing) {
          closing = true;
          const error = new QcError('inference-stopped', 'the model was closed');
          for (const job of waiting.splice(0)) job.reject(error);
          pump();
        }
        await exit;
      },
    };
  } catch (error) {
    closing = true;
    await exit;
    throw error;
  }
}

/**
 * The task as it crosses to the thread. Pixels in shared memory are shared; others are copied into a buffer
 * that travels to and fro, so that the caller keeps the picture (evidence, page) and nothing is allocated.
 */
function handOver(task: Task, spare: ArrayBuffer[]): [Task, ArrayBuffer[]] {
  if ('head' in task || task.image.data.buffer instanceof SharedArrayBuffer) return [task, []];
  const { width, height, data } = task.image;
  const at = spare.findIndex((buffer) => buffer.byteLength >= data.length);
  const buffer = at >= 0 ? spare.splice(at, 1)[0]! : new ArrayBuffer(data.length);
  // One of the wrong size is of no use to this camera any more.
  if (at < 0) spare.shift();
  const copy = new Uint8Array(buffer, 0, data.length);
  copy.set(data);
  return [{ ...task, image: { width, height, data: copy } }, [buffer]];
}

function received({ code, message, remedy }: SentError): QcError {
  return new QcError(code, message, { remedy });
}
