/** Messages between the agent and the child process for jobs. */

import type { ErrorCode } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import type { PullRequest } from '../../models/hubs/pull/pull.ts';
import type { Image } from '../../models/image.ts';
import type { CompareOptions } from '../compare/compare.ts';
import type { Comparison } from '../compare/comparison.ts';
import type { Finding } from '../finding.ts';
import type { ImportAsked } from '../install/views.ts';
import type { TuneOptions } from '../tune.ts';

/** The part of the config for jobs; contains no address and no secret. */
export type JobConfig = Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage' | 'training'>;

export interface Jobs {
  /** Answer: the candidate's version. */
  train: { readonly config: JobConfig; readonly options: TuneOptions };
  doctor: { readonly config: JobConfig };
  /** Makes an int8 variant of a base (default: the one in use), if it may help and was not checked on these frames yet. */
  quantize: { readonly config: JobConfig; readonly base?: string | undefined };
  /** Compares bases; nothing is changed. */
  compare: { readonly config: JobConfig; readonly options: CompareOptions };
  /** Answer: the name of the base. */
  pull: { readonly request: PullRequest };
  /** Answer: the name of the base. */
  import: {
    readonly folder: string;
    readonly storageDirectory: string;
    readonly minFreeBytes: number;
    readonly asked: ImportAsked;
  };
  /** Answer: PNG. */
  why: {
    readonly config: JobConfig;
    readonly image: Image;
    readonly version: string;
    readonly label?: string | undefined;
  };
}
export interface Answers {
  train: string;
  doctor: readonly Finding[];
  quantize: { readonly passed: boolean; readonly reason: string };
  compare: Comparison;
  pull: string;
  import: string;
  why: Uint8Array;
}
export type JobKind = keyof Jobs;

export type ToChild =
  | { [Kind in JobKind]: { readonly kind: Kind; readonly job: Jobs[Kind] } }[JobKind]
  | { readonly kind: 'cancel' };
export type FromChild =
  | { readonly kind: 'progress'; readonly step: string; readonly done: number; readonly total: number }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'answer'; readonly answer: Answers[JobKind] }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly remedy: string;
      readonly cancelled: boolean;
    };
