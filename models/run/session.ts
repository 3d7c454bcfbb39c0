/** The model for the main thread: images in, judgements out, computed by one or several worker threads. */
import { QcError } from '../../config/errors.ts';
import type { Image } from '../image.ts';
import { type BatchOptions, openBatcher } from './batcher.ts';
import { residentBytes } from './memory.ts';
import type {
  HeadAnswer,
  HeadTask,
  LoadedHead,
  Opened,
  RemoteNews,
  RunTimes,
  SessionFacts,
  WhereMap,
  WorkerRequest,
} from './messages.ts';
import type { RanOn } from './providers.ts';
import type { FeatureMaps, PooledMap } from './runner.ts';
import { planThreads, type ThreadPlan } from './threads.ts';
import { type InferenceWorker, openWorker } from './worker.ts';

export interface SessionRequest extends Omit<WorkerRequest, 'compiled' | 'batch'> {
  /** Replaces session-worker.ts (for tests of a thread that fails). */
  readonly worker?: URL;
  /** Receives events of the inference server; the first one before the session is open. */
  readonly onRemote?: (news: RemoteNews) => void;
  /** As `model.batch` of the config; absent: the provider's default, without waiting. */
  readonly batch?: {
    /** Maximum number of images in one run; 0 = the provider's default. */
    readonly size: number;
    /** Maximum time that an image waits for others while a worker is idle, ms. */
    readonly waitMs: number;
  };
}

export interface Judgement extends RunTimes {
  /** Label to probability; empty without a head. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** Familiarity (familiarity.ts); undefined if the head does not compute it. */
  readonly familiarity?: number | undefined;
  /** By how much each cell deviates from ordinary cells; undefined if the head has no such output. */
  readonly where?: WhereMap | undefined;
  /** Version of the head, `none` without one. */
  readonly version: string;
  /** [D], pooled features of the base. */
  readonly features: Float32Array;
  /** The shadow version's answer for the same features. */
  readonly shadow?: HeadAnswer | undefined;
  /** Time spent waiting for a thread, ms. */
  readonly queueMs: number;
  /** Number of images in the run. */
  readonly batch: number;
  /** Provider and precision of the base. */
  readonly ranOn: RanOn;
}

export interface JudgeOptions {
  /** Version of a loaded head to use instead of the active one, without a shadow; null: no head. */
  readonly head?: string | null | undefined;
  /** The requester, such as a camera; requesters are served in turn. */
  readonly lane?: string;
}

export interface Session extends AsyncDisposable {
  readonly facts: SessionFacts;
  /** Number of concurrent images for full throughput: those of all current runs, the same number prepared, and one being returned. */
  readonly concurrency: number;
  /** @throws QcError version-unknown, overloaded, inference-stopped */
  judge(image: Image, by?: JudgeOptions): Promise<Judgement>;
  /** Pooled features of the base, [size]. */
  features(image: Image): Promise<Float32Array>;
  /** Features and the maps of stages 2 and 3, copied from the thread, for training. @throws QcError maps-unavailable */
  maps(image: Image): Promise<{ readonly features: Float32Array; readonly maps: FeatureMaps }>;
  /** The maps that the features are pooled from, in order. @throws QcError why-unavailable if it was opened without them */
  pooled(image: Image): Promise<readonly PooledMap[]>;
  /**
   * Once this has resolved, new requests use the new head; earlier requests use the old one.
   * A head that cannot be opened is refused, and the old one stays. @throws QcError head-damaged
   */
  useHead(head: LoadedHead | undefined): Promise<void>;
  /** Sets the shadow head, which judges the same features; undefined removes it. @throws as `useHead` */
  useShadow(head: LoadedHead | undefined): Promise<void>;
  /** Loads another head, which judges only requests that name it, until the session closes. @throws as `useHead` */
  keepHead(head: LoadedHead): Promise<void>;
  /** Settles when a thread has ended, with the reason unless it was closed. Pending requests are then rejected. */
  readonly ended: Promise<QcError | undefined>;
}

/**
 * A GPU processes one run at a time, and pooled maps are computed one at a time. Without a compiled graph all runs are wide, and
 * each worker has its own copy of the weights.
 */
function threadsOf({ threads, pooled }: WorkerRequest, { facts, compiled }: Opened): ThreadPlan {
  if (facts.provider !== 'cpu' || pooled || !compiled) return { workers: 1, narrow: 1, wide: 1 };
  return planThreads(threads, facts.precision);
}

/** Opens base and provider in worker threads and verifies them. @throws QcError what `openWorker` throws */
export async function openSession({
  worker: script,
  batch: { size, waitMs } = { size: 0, waitMs: 0 },
  onRemote,
  ...asked
}: SessionRequest): Promise<Session> {
  const request: WorkerRequest = { ...asked, batch: size };
  const before = residentBytes();
  const first = await openWorker(request, script, onRemote);
  const { facts, compiled } = first;
  const plan = threadsOf(request, first);
  const more = Array.from({ length: plan.workers - 1 }, () =>
    openWorker({ ...request, provider: facts.provider, precision: facts.precision, compiled }, script),
  );
  const why = [...facts.why];
  const workers = [first];
  for (const other of await Promise.allSettled(more)) {
    if (other.status === 'fulfilled') workers.push(other.value);
    else why.push(`another worker: ${(other.reason as Error).message}`);
  }
  const memoryBytes = Math.max(0, residentBytes() - before);
  return share(workers, { ...facts, why, memoryBytes }, { waitMs, wide: plan.wide / plan.narrow });
}

/** One session for all workers; idle workers take the next images. */
function share(
  workers: readonly InferenceWorker[],
  facts: SessionFacts,
  options: Pick<BatchOptions, 'waitMs' | 'wide'>,
): Session {
  const { batch, parallel = 1 } = facts;
  const batcher = openBatcher(workers, { ...options, maxBatch: batch, parallel });
  const heads = shareHeads(workers, batcher.pump);
  let active: string | undefined;
  let shadow: string | undefined;

  const close = async (error = new QcError('inference-stopped', 'the model is closed')) => {
    batcher.end(error);
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
  };
  // If one worker ends, the others are closed too: the owner of the session opens it again.
  const ended = Promise.race(workers.map((worker) => worker.ended)).then((error) => {
    void close(error);
    return error;
  });
  const other = 'other';

  return {
    facts,
    concurrency: batch * Math.max(2, workers.length * parallel) + 1,
    ended,
    async judge(image, { head: by, lane = other } = {}) {
      if (typeof by === 'string' && !heads.has(by)) {
        throw new QcError('version-unknown', `the head ${by} is not loaded`);
      }
      const asked =
        by === undefined ? { head: active, shadow } : { head: by ?? undefined, shadow: undefined };
      const used = [asked.head, asked.shadow];
      for (const version of used) heads.hold(version);
      try {
        const { answer, ...run } = await batcher.ask({ kind: 'judge', image, ...asked }, lane);
        const judged = answer.active ?? { version: 'none', probabilities: {} };
        return {
          ...judged,
          features: answer.features!,
          ...(answer.shadow && { shadow: answer.shadow }),
          ranOn: answer.ranOn ?? { provider: facts.provider, precision: facts.precision },
          ...run,
        };
      } finally {
        for (const version of used) heads.release(version);
      }
    },
    features: async (image) => (await batcher.ask({ kind: 'features', image }, other)).answer.features!,
    async maps(image) {
      const { features, maps } = (await batcher.ask({ kind: 'maps', image }, other)).answer;
      return { features: features!, maps: maps! };
    },
    pooled: async (image) => (await batcher.ask({ kind: 'pooled', image }, other)).answer.pooled!,
    async useHead(head) {
      const before = active;
      active = await heads.load(head);
      heads.release(before);
    },
    async useShadow(head) {
      const before = shadow;
      shadow = await heads.load(head);
      heads.release(before);
    },
    async keepHead(head) {
      await heads.load(head);
    },
    async [Symbol.asyncDispose]() {
      await close();
    },
  };
}

/** Reference-counted heads that all workers have loaded. @param onFree called when a worker may be idle */
function shareHeads(workers: readonly InferenceWorker[], onFree: () => void) {
  const holders = new Map<string, number>();
  const onAll = (task: HeadTask) => Promise.all(workers.map((worker) => worker.change(task).finally(onFree)));

  function hold(version: string | undefined): void {
    if (version !== undefined) holders.set(version, (holders.get(version) ?? 0) + 1);
  }
  function release(version: string | undefined): void {
    if (version === undefined) return;
    const left = (holders.get(version) ?? 1) - 1;
    holders.set(version, left);
    if (left > 0) return;
    holders.delete(version);
    // A worker that has ended needs no unloading.
    onAll({ kind: 'unload', version }).catch(() => undefined);
  }
  return {
    has: (version: string) => holders.has(version),
    hold,
    release,
    /** Loads the head in every worker and holds it. */
    async load(head: LoadedHead | undefined): Promise<string | undefined> {
      if (!head) return undefined;
      const { version } = head;
      const isLoaded = holders.has(version);
      hold(version);
      try {
        if (!isLoaded) await onAll({ kind: 'load', head });
      } catch (error) {
        release(version);
        throw error;
      }
      return version;
    },
  };
}
