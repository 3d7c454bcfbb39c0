/**
 * Messages between the main thread and the threads that run the model (worker.ts and session-worker.ts).
 *
 *   WorkerData     given to the thread when it starts
 *   FromWorker     `opened` or `failed` once; then an answer for each `RunRequest`, and events of the inference server
 *   ToWorker       `RunRequest`: tasks for one run, answered in order; `close` once, after the last answer
 */
import type { ErrorCode } from '../../config/errors.ts';
import type { RemoteConfig } from '../../config/schema.ts';
import type { BaseRequest, MapShape, ProvedBase } from '../base.ts';
import type { Image } from '../image.ts';
import type { BaseManifest, Check, Precision } from '../manifest.ts';
import type { Provider, RanOn } from './providers.ts';
import type { FeatureMaps, PooledMap } from './runner.ts';

export interface WorkerRequest extends BaseRequest {
  /** `remote` uses the server, and the choice of `auto` while it is unavailable. */
  readonly provider: 'auto' | Provider | 'remote';
  readonly remote?: RemoteConfig | undefined;
  /** Also output the maps that the features are pooled from, for the task `pooled`; needs memory. */
  readonly pooled?: boolean;
  /** CPU threads of one inference; 0 = one per core. */
  readonly threads: number;
  /** Maximum number of images in one run; 0 or absent: the provider's default. */
  readonly batch?: number;
  /** As `model.maxMemoryMb` of the config; absent: no limit. */
  readonly maxMemoryMb?: number;
  /** What the bases that are open already need, bytes; counts towards `maxMemoryMb`. Default: 0. */
  readonly heldBytes?: number;
  /** As `model.gpu` of the config. */
  readonly gpu?: Gpu | undefined;
  /** Folder for a profile of the first runs; none without one. */
  readonly profile?: string | undefined;
  /** The graph that another worker verified; if it also works here, the base is not read again. */
  readonly compiled?: Compiled | undefined;
}

/** A compiled graph for the CPU (compiled.ts) and its base. */
export interface Compiled {
  readonly graph: string;
  readonly base: ProvedBase;
  /** Expected features of the check image, from the manifest or measured by the first worker. */
  readonly check: Check;
  /** Facts of the worker that opened it. */
  readonly facts: SessionFacts;
}

export interface Gpu {
  /** Index of the NVIDIA GPU in CUDA's order. */
  readonly deviceId: number;
}

export interface SessionFacts {
  readonly manifest: BaseManifest;
  readonly precision: Precision;
  /** Why this variant of the base was chosen. */
  readonly because: string;
  readonly provider: Provider | 'remote';
  /** Maximum number of images in one run. */
  readonly batch: number;
  /** Number of concurrent runs; absent: one. */
  readonly parallel?: number;
  /** Estimated memory (memory.ts), bytes; absent for a session on a server. */
  readonly needBytes?: number;
  /** Growth of the resident memory of the process by opening the session, bytes; absent in the facts of one worker. */
  readonly memoryBytes?: number;
  /** Maps that a head may use; empty if the base has none. */
  readonly maps: readonly MapShape[];
  /** Why the candidates that were tried first are not used: "cuda: no NVIDIA device on this machine". */
  readonly why: readonly string[];
}

/** A head for the worker: the bytes of head.onnx, its version and labels. */
export interface LoadedHead {
  readonly version: string;
  readonly labels: readonly string[];
  readonly model: Uint8Array;
}

/** By how much each cell of an image deviates from ordinary cells, in their standard deviations. */
export interface WhereMap {
  /** [height,width], row by row. */
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** The answer of one head. */
export interface HeadAnswer {
  readonly version: string;
  readonly probabilities: Readonly<Record<string, number>>;
  readonly familiarity?: number | undefined;
  /** Absent if the head has no such output. */
  readonly where?: WhereMap | undefined;
}

export type ImageTask =
  | {
      readonly kind: 'judge';
      readonly image: Image;
      /** Versions of loaded heads. */
      readonly head: string | undefined;
      readonly shadow: string | undefined;
    }
  | { readonly kind: 'features'; readonly image: Image }
  /** Features with the maps of stages 2 and 3. */
  | { readonly kind: 'maps'; readonly image: Image }
  | { readonly kind: 'pooled'; readonly image: Image };
export type HeadTask =
  | { readonly kind: 'load'; readonly head: LoadedHead }
  | { readonly kind: 'unload'; readonly version: string };
export interface RunRequest {
  readonly id: number;
  /** Images of one request run as one batch. */
  readonly tasks: readonly ImageTask[] | readonly [HeadTask];
  /** Use all threads instead of the worker's own ones. */
  readonly wide: boolean;
}
export type ToWorker = RunRequest | { readonly close: true };
/** The fields depend on the task. */
export type Outcome = Answer | { readonly failed: SentError };
/** An event of the inference server. */
export type RemoteNews =
  | { readonly kind: 'asked'; readonly outcome: string; readonly seconds: number }
  | { readonly kind: 'up'; readonly description: string; readonly ranOn: RanOn }
  | { readonly kind: 'down'; readonly reason: string; readonly remedy: string; readonly ranOn: RanOn };
export type FromWorker =
  | { readonly remote: RemoteNews }
  | { readonly opened: Opened }
  | { readonly failed: SentError }
  | { readonly id: number; readonly outcomes: readonly Outcome[]; readonly times: RunTimes };
/** Times of one run of the model; each image of a batch waits for the whole run. */
export interface RunTimes {
  /** By `monotonicMs`, in the thread. */
  readonly startedAt: number;
  /** Preparation, base and heads together, ms. */
  readonly inferenceMs: number;
  /** Part of it for the input tensors. */
  readonly prepareMs: number;
  /** Part of it for the heads. */
  readonly headMs: number;
}
export interface Opened {
  readonly facts: SessionFacts;
  readonly compiled: Compiled | undefined;
}
/** The fields depend on the task. */
export interface Answer {
  readonly features?: Float32Array;
  readonly maps?: FeatureMaps;
  readonly pooled?: readonly PooledMap[];
  readonly active?: HeadAnswer | undefined;
  readonly shadow?: HeadAnswer | undefined;
  /** If it differs from the facts. */
  readonly ranOn?: RanOn | undefined;
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
