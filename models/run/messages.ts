/**
 * What crosses between the main thread and the threads that run the model (worker.ts and session-worker.ts).
 *
 *   WorkerData     given to the thread when it starts
 *   FromWorker     `opened` or `failed` once; then an answer for each `Asked`, and news of the inference server
 *   ToWorker       `Asked`: tasks for one run, answered in the order they were asked; `close` once, after the last answer
 */
import type { ErrorCode } from '../../config/errors.ts';
import type { RemoteConfig } from '../../config/schema.ts';
import type { BaseRequest, MapShape, ProvedBase } from '../base.ts';
import type { Image } from '../image.ts';
import type { BaseManifest, Check, Precision } from '../manifest.ts';
import type { Provider, RanOn } from './providers.ts';
import type { FeatureMaps, PooledMap } from './runner.ts';

export interface WorkerRequest extends BaseRequest {
  /** `remote` needs the server; where it is away, what `auto` takes. */
  readonly provider: 'auto' | Provider | 'remote';
  readonly remote?: RemoteConfig | undefined;
  /** Also keep what the features are pooled from, for the task `pooled`; costs memory. */
  readonly pooled?: boolean;
  /** CPU threads of one inference; 0 = one a core. */
  readonly threads: number;
  /** Most pictures in one run; 0 or absent: what suits the provider. */
  readonly batch?: number;
  /** As `model.gpu` of the config. */
  readonly gpu?: Gpu | undefined;
  /** Folder for a profile of the first runs; none without one. */
  readonly profile?: string | undefined;
  /** What another worker opened and proved: where it runs here as well, nothing is read but that. */
  readonly compiled?: Compiled | undefined;
}

/** A compiled graph that runs on the CPU (compiled.ts), and the base that it was made of. */
export interface Compiled {
  readonly graph: string;
  readonly base: ProvedBase;
  /** What it gives for the picture of the check: of the manifest, or as it gave there. */
  readonly check: Check;
  /** Of the worker that opened it. */
  readonly facts: SessionFacts;
}

export interface Gpu {
  /** Which of several NVIDIA GPUs, as CUDA counts them. */
  readonly deviceId: number;
}

export interface SessionFacts {
  readonly manifest: BaseManifest;
  readonly precision: Precision;
  /** Why this variant of the base. */
  readonly because: string;
  readonly provider: Provider | 'remote';
  /** Most pictures in one run. */
  readonly batch: number;
  /** Runs under way at a time; absent: one. */
  readonly parallel?: number;
  /** Maps that a head may take; none where the base has none. */
  readonly maps: readonly MapShape[];
  /** Why what was tried first does not run: "cuda: no NVIDIA device on this machine". */
  readonly why: readonly string[];
}

/** A head as the worker needs it: the bytes of head.onnx, and what to call its answers. */
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

/** What one head says. */
export interface HeadAnswer {
  readonly version: string;
  readonly probabilities: Readonly<Record<string, number>>;
  readonly familiarity?: number | undefined;
  /** Absent if the head has no such output. */
  readonly where?: WhereMap | undefined;
}

export type PictureTask =
  | {
      readonly kind: 'judge';
      readonly image: Image;
      /** Versions of heads that were loaded before. */
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
export interface Asked {
  readonly id: number;
  /** Pictures go through the base together. */
  readonly tasks: readonly PictureTask[] | readonly [HeadTask];
  /** With all threads, not with its own alone. */
  readonly wide: boolean;
}
export type ToWorker = Asked | { readonly close: true };
/** Which fields there are follows from the task. */
export type Outcome = Answer | { readonly failed: SentError };
/** What happens at the inference server. */
export type RemoteNews =
  | { readonly kind: 'asked'; readonly outcome: string; readonly seconds: number }
  | { readonly kind: 'up'; readonly description: string; readonly ranOn: RanOn }
  | { readonly kind: 'down'; readonly reason: string; readonly remedy: string; readonly ranOn: RanOn };
export type FromWorker =
  | { readonly remote: RemoteNews }
  | { readonly opened: Opened }
  | { readonly failed: SentError }
  | { readonly id: number; readonly outcomes: readonly Outcome[]; readonly times: RunTimes };
/** One run of the model, as each of its pictures has waited for all of it. */
export interface RunTimes {
  /** By `monotonicMs`, in the thread. */
  readonly startedAt: number;
  /** Preparation, base and heads together, ms. */
  readonly inferenceMs: number;
  /** Of which making the input tensors … */
  readonly prepareMs: number;
  /** … and heads. */
  readonly headMs: number;
}
export interface Opened {
  readonly facts: SessionFacts;
  readonly compiled: Compiled | undefined;
}
/** Which fields there are follows from the task. */
export interface Answer {
  readonly features?: Float32Array;
  readonly maps?: FeatureMaps;
  readonly pooled?: readonly PooledMap[];
  readonly active?: HeadAnswer | undefined;
  readonly shadow?: HeadAnswer | undefined;
  /** Where that is not what the facts say. */
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
