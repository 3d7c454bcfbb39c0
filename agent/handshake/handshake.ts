/** The handshake of one camera with a PLC: trigger, reply, result, acknowledgement, and the timeout of each step. */
import { QcError } from '../../config/errors.ts';
import type { TriggerConfig } from '../../config/schema.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import { newId } from '../lifecycle/id.ts';
import type { Log } from '../lifecycle/log.ts';
import type { TriggerRequest } from '../part/command.ts';
import type { Handshake as HandshakeMessage, Result } from '../publish/messages.ts';
import { type Job, Jobs, type Moment } from './jobs.ts';
import { openJobJournal } from './journal.ts';

export interface HandshakeRequest {
  readonly partId?: string | undefined;
  readonly recipe?: string | undefined;
  readonly requestId?: string | undefined;
}

/** Called for metrics. */
export interface HandshakeObserver {
  done(camera: string, outcome: Result['state']): void;
  refused(camera: string, reason: string): void;
  unacknowledged(camera: string): void;
}

export interface HandshakeDeps {
  readonly log: Log;
  readonly storageDirectory: string;
  readonly observer: HandshakeObserver;
  /** Captures the images of a job; settles like `OpenParts.trigger`. */
  readonly acquire: (request: TriggerRequest) => Promise<{ jobId: string }>;
  /** The active recipe. */
  readonly recipe: () => string;
  /** Why parts cannot be judged now, apart from busy jobs; empty if they can. */
  readonly obstacle: () => string;
  /** Called whenever the view has changed. */
  readonly onChange: () => void;
  /** Shows a notice until an empty text withdraws it. */
  readonly onNotice: (text: string) => void;
  /** Default: the clocks of this machine. */
  readonly now?: () => Moment;
}

export interface Handshake extends AsyncDisposable {
  /** The retained message. */
  readonly view: HandshakeMessage;
  /**
   * Resolves with the job once its first image is captured, or with the job of an earlier identical request.
   * @throws QcError busy, or an error of `OpenParts.trigger`: then there is no job and no result
   */
  trigger(request: HandshakeRequest): Promise<{ jobId: string; repeated?: true }>;
  /** @throws QcError job-unknown, job-unfinished */
  acknowledge(jobId: string): void;
  /** Aborts a job, or all: each gets a result with state aborted. @throws QcError job-unknown */
  abort(jobId: string | undefined): void;
  /** All images of a job are captured. */
  acquired(jobId: string): void;
  /** A result was published, of a job or of any other part. */
  done(result: Result): void;
  /** Whether it is a remembered job of this session. */
  knows(jobId: string): boolean;
  /** Waits for the result of a job; undefined if it does not arrive in time. @throws QcError job-unknown */
  result(jobId: string, waitMs: number): Promise<Result | undefined>;
}

type CommandConfig = Extract<TriggerConfig, { kind: 'command' }>;

export async function openHandshake(
  camera: string,
  config: CommandConfig,
  deps: HandshakeDeps,
): Promise<Handshake> {
  const { observer, onChange, now = moment } = deps;
  const log = deps.log.child({ component: 'handshake', camera });
  const jobs = new Jobs({
    places: config.jobs,
    acknowledges: config.acknowledgeMs > 0,
    repeatMs: config.repeatMs,
  });
  const journal = await openJobJournal(deps.storageDirectory, camera, log);
  const { left } = journal;
  if (left.length > 0)
    log.warn({ jobs: left }, 'jobs of the previous session have no known result: treat their parts as bad');
  const session = newId();
  const answers = new Map<string, Promise<{ jobId: string }>>();
  const ends = new Map<string, { readonly until: AbortController; readonly timer: NodeJS.Timeout }>();
  const patience = new Map<string, NodeJS.Timeout>();
  const listeners = new Map<string, Set<(result: Result | undefined) => void>>();
  let unacknowledged = 0;

  const changed = () => {
    journal.record(jobs.unfinished().map(({ jobId }) => jobId));
    onChange();
  };
  const endsWith = (jobId: string) => {
    clearTimeout(ends.get(jobId)?.timer);
    ends.delete(jobId);
    answers.delete(jobId);
  };

  async function begin(request: HandshakeRequest): Promise<{ jobId: string }> {
    const jobId = newId();
    const { partId = `${camera}-${newId()}`, recipe = deps.recipe(), requestId } = request;
    jobs.request({ jobId, partId, recipe, requestId }, now());
    const until = new AbortController();
    const late = () =>
      until.abort(new QcError('no-result', `there was no result within ${config.resultMs} ms`));
    ends.set(jobId, { until, timer: setTimeout(late, config.resultMs) });
    const answer = deps.acquire({ partId, recipe, jobId, until: until.signal });
    answers.set(jobId, answer);
    changed();
    try {
      await answer;
      jobs.accept(jobId, now());
    } catch (error) {
      endsWith(jobId);
      jobs.refuse(jobId);
      throw error;
    } finally {
      changed();
    }
    return { jobId };
  }

  /** It was not acknowledged in time: its slot is freed, because the line continues. */
  function giveUp({ jobId, partId }: Job): void {
    patience.delete(jobId);
    jobs.acknowledge(jobId);
    unacknowledged++;
    observer.unacknowledged(camera);
    log.warn({ jobId, partId }, 'a result was not acknowledged in time');
    deps.onNotice(
      `camera ${camera}: the result of part ${partId} was not acknowledged within ${config.acknowledgeMs} ms: check the PLC`,
    );
    changed();
  }

  return {
    get view(): HandshakeMessage {
      const obstacle = deps.obstacle();
      const { busy, acquiring } = jobs;
      return {
        schema: 1,
        camera,
        session,
        state: stateOf(obstacle, acquiring, busy),
        reason: obstacle || (busy ?? ''),
        recipe: deps.recipe(),
        jobs: jobs.open.map(viewOf),
        gone: [...left],
        unacknowledged,
      };
    },
    async trigger(request) {
      const before = jobs.repeated(request.requestId, now());
      try {
        if (before === undefined) return await begin(request);
        await answers.get(before);
        return { jobId: before, repeated: true };
      } catch (error) {
        observer.refused(camera, error instanceof QcError ? error.code : 'internal');
        throw error;
      }
    },
    acknowledge(jobId) {
      jobs.acknowledge(jobId);
      clearTimeout(patience.get(jobId));
      patience.delete(jobId);
      deps.onNotice('');
      changed();
    },
    abort(jobId) {
      for (const job of jobs.unfinished(jobId)) {
        ends.get(job.jobId)?.until.abort(new QcError('job-aborted', 'the job was aborted by command'));
      }
    },
    acquired(jobId) {
      jobs.acquired(jobId, now());
      changed();
    },
    done(result) {
      const { jobId } = result;
      if (!ends.has(jobId)) return;
      endsWith(jobId);
      jobs.finish(result, now());
      observer.done(camera, result.state);
      const job = jobs.open.find((one) => one.jobId === jobId);
      if (job) {
        patience.set(
          jobId,
          setTimeout(() => giveUp(job), config.acknowledgeMs),
        );
      }
      for (const listener of listeners.get(jobId) ?? []) listener(result);
      listeners.delete(jobId);
      changed();
    },
    knows: (jobId) => jobs.knows(jobId),
    async result(jobId, waitMs) {
      const there = jobs.result(jobId);
      if (there || waitMs === 0) return there;
      const waiting = listeners.get(jobId) ?? new Set();
      listeners.set(jobId, waiting);
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          waiting.delete(heard);
          resolve(undefined);
        }, waitMs);
        const heard = (result: Result | undefined) => {
          clearTimeout(timer);
          resolve(result);
        };
        waiting.add(heard);
      });
    },
    async [Symbol.asyncDispose]() {
      for (const { timer } of ends.values()) clearTimeout(timer);
      for (const waiting of listeners.values()) for (const heard of waiting) heard(undefined);
      for (const timer of patience.values()) clearTimeout(timer);
      await journal[Symbol.asyncDispose]();
    },
  };
}

const moment = (): Moment => ({ wallMs: Date.now(), monotonicMs: monotonicMs() });

function viewOf({ jobId, partId, recipe, state, since, result }: Job): HandshakeMessage['jobs'][number] {
  const at = new Date(since).toISOString();
  if (!result) return { jobId, partId, recipe, state, since: at };
  const { resultId, sequence, state: outcome, verdict, evaluation } = result;
  return {
    jobId,
    partId,
    recipe,
    state,
    since: at,
    result: { resultId, sequence, state: outcome, verdict, evaluation },
  };
}

function stateOf(
  obstacle: string,
  acquiring: Job | undefined,
  busy: string | undefined,
): HandshakeMessage['state'] {
  if (obstacle) return 'not-ready';
  if (acquiring) return 'acquiring';
  return busy ? 'busy' : 'ready';
}
