/**
 * The jobs of one camera, from trigger to acknowledgement (after OPC 40100-1 clause 8.3.2.2: jobs may overlap, each has
 * its own acquisition and result). A pure state machine: it gets events with their times and never waits.
 */
import { QcError } from '../../config/errors.ts';
import type { Result } from '../publish/messages.ts';

/** States in order; none is skipped and none repeated. */
const states = ['requested', 'acquiring', 'judging', 'result-ready'] as const;
export type JobState = (typeof states)[number];

export interface Job {
  readonly jobId: string;
  readonly partId: string;
  readonly recipe: string;
  readonly requestId?: string | undefined;
  readonly state: JobState;
  /** Start of this state, ms since the epoch. */
  readonly since: number;
  /** From `result-ready` on. */
  readonly result?: Result;
}

/** A time on two clocks: the wall clock, for display, ms since the epoch, and the monotonic clock. */
export interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export interface JobsOptions {
  /** Maximum number of open jobs. */
  readonly places: number;
  /** Whether a result must be acknowledged. */
  readonly acknowledges: boolean;
  /** How long a trigger with the same requestId gets the same job, ms. */
  readonly repeatMs: number;
}

/** Number of finished jobs that are remembered for late requests. */
const maxRemembered = 64;

export class Jobs {
  readonly #options: JobsOptions;
  readonly #open = new Map<string, Job>();
  readonly #finished = new Map<string, Result>();
  readonly #requests = new Map<string, { readonly jobId: string; readonly atMs: number }>();

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Oldest first. */
  get open(): readonly Job[] {
    return [...this.#open.values()];
  }

  /** The job whose images are being captured or waited for: one at a time. */
  get acquiring(): Job | undefined {
    return this.open.find(({ state }) => state === 'requested' || state === 'acquiring');
  }

  /** Why a trigger is refused now; undefined if it is accepted. */
  get busy(): string | undefined {
    if (this.acquiring) return 'the images of an earlier trigger are still being captured';
    const { size } = this.#open;
    if (size < this.#options.places) return undefined;
    const ready = this.open.filter(({ state }) => state === 'result-ready').length;
    return `${size} of ${size} jobs are open, ${ready} of them are waiting for acknowledgement`;
  }

  /** The job of an earlier identical request; undefined if the request is new. */
  repeated(requestId: string | undefined, { monotonicMs }: Moment): string | undefined {
    const before = requestId === undefined ? undefined : this.#requests.get(requestId);
    return before && monotonicMs - before.atMs < this.#options.repeatMs ? before.jobId : undefined;
  }

  /** @throws QcError busy */
  request(job: Pick<Job, 'jobId' | 'partId' | 'recipe' | 'requestId'>, now: Moment): void {
    const { busy } = this;
    if (busy) throw new QcError('busy', busy);
    this.#open.set(job.jobId, { ...job, state: 'requested', since: now.wallMs });
    if (job.requestId === undefined) return;
    this.#requests.set(job.requestId, { jobId: job.jobId, atMs: now.monotonicMs });
    for (const [id, { atMs }] of this.#requests)
      if (now.monotonicMs - atMs >= this.#options.repeatMs) this.#requests.delete(id);
  }

  /** Removes the job, so that the same request can be made again. */
  refuse(jobId: string): void {
    const job = this.#open.get(jobId);
    this.#open.delete(jobId);
    if (job?.requestId !== undefined) this.#requests.delete(job.requestId);
  }

  /** Its first image is captured: from now on it gets a result in any case. */
  accept(jobId: string, now: Moment): void {
    this.#advance(jobId, 'acquiring', now);
  }

  /** All its images are captured, or no more will come. */
  acquired(jobId: string, now: Moment): void {
    this.#advance(jobId, 'judging', now);
  }

  /** Its result is published. */
  finish(result: Result, { wallMs }: Moment): void {
    const { jobId } = result;
    const job = this.#open.get(jobId);
    if (!job || job.result) return;
    this.#finished.set(jobId, result);
    for (const old of this.#finished.keys())
      if (this.#finished.size > maxRemembered) this.#finished.delete(old);
    if (this.#options.acknowledges) {
      this.#open.set(jobId, { ...job, state: 'result-ready', since: wallMs, result });
    } else this.#open.delete(jobId);
  }

  /** The PLC has its result. A repeated acknowledgement is not an error. @throws QcError job-unknown, job-unfinished */
  acknowledge(jobId: string): void {
    const job = this.#open.get(jobId);
    if (!this.knows(jobId)) throw this.#unknown(jobId);
    if (job && !job.result) throw new QcError('job-unfinished', `job ${jobId} has no result yet`);
    this.#open.delete(jobId);
  }

  /** Whether it is open or remembered. */
  knows(jobId: string): boolean {
    return this.#open.has(jobId) || this.#finished.has(jobId);
  }

  /** The result of a job; undefined while it has none. @throws QcError job-unknown */
  result(jobId: string): Result | undefined {
    if (!this.knows(jobId)) throw this.#unknown(jobId);
    return this.#finished.get(jobId);
  }

  /** Jobs without a result, or the named one. @throws QcError job-unknown */
  unfinished(jobId?: string): readonly Job[] {
    if (jobId !== undefined && !this.knows(jobId)) throw this.#unknown(jobId);
    return this.open.filter((job) => !job.result && (jobId === undefined || job.jobId === jobId));
  }

  #advance(jobId: string, to: JobState, { wallMs }: Moment): void {
    const job = this.#open.get(jobId);
    if (!job || states.indexOf(to) <= states.indexOf(job.state)) return;
    this.#open.set(jobId, { ...job, state: to, since: wallMs });
  }

  #unknown(jobId: string): QcError {
    return new QcError('job-unknown', `there is no job "${jobId.slice(0, 64)}" in this session`);
  }
}
