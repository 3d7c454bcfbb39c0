/** The model as the rest sees it: pictures in, judgements out, by one worker thread or by several side by side. */
import { QcError } from '../../config/errors.ts';
import type { Image } from '../image.ts';
import { type BatchOptions, openBatcher } from './batcher.ts';
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
import { type Spread, spreadOnCpu } from './threads.ts';
import { type InferenceWorker, openWorker } from './worker.ts';

export interface SessionRequest extends Omit<WorkerRequest, 'compiled' | 'batch'> {
  /** Another worker script that behaves like session-worker.ts (tests let one die). */
  readonly worker?: URL;
  /** Told what happens at the inference server; the first time before the session is open. */
  readonly onRemote?: (news: RemoteNews) => void;
  /** As `model.batch` of the config; absent: what suits the provider, and none waits. */
  readonly batch?: {
    /** Most pictures in one run; 0 = what suits the provider. */
    readonly size: number;
    /** Longest that a picture waits for others to share its run while a worker is free, ms. */
    readonly waitMs: number;
  };
}

export interface Judgement extends RunTimes {
  /** Label to probability; empty without a head. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** Cosine with the nearest labelled part; undefined where the head knows none. */
  readonly familiarity?: number | undefined;
  /** By how much each cell deviates from ordinary cells; undefined if the head has no such output. */
  readonly where?: WhereMap | undefined;
  /** The head that judged, `none` without one. */
  readonly version: string;
  /** [D], pooled features of the base. */
  readonly features: Float32Array;
  /** What the head in the shadow says of the same features. */
  readonly shadow?: HeadAnswer | undefined;
  /** Waiting for a thread to be free, ms. */
  readonly queueMs: number;
  /** Pictures in the run. */
  readonly batch: number;
  /** What ran the base. */
  readonly ranOn: RanOn;
}

export interface JudgeOptions {
  /** Version of a kept head that judges instead of the active one, without a shadow; null: no head. */
  readonly head?: string | null | undefined;
  /** Who asks, a camera: those who ask take turns. */
  readonly lane?: string;
}

export interface Session extends AsyncDisposable {
  readonly facts: SessionFacts;
  /** Pictures at a time that keep it busy: those of all runs under way, as many that lie ready, and one on its way back. */
  readonly concurrency: number;
  /** @throws QcError version-unknown, overloaded, inference-stopped */
  judge(image: Image, by?: JudgeOptions): Promise<Judgement>;
  /** Pooled features of the base, [size]. */
  features(image: Image): Promise<Float32Array>;
  /** Features with the maps of stages 2 and 3, copied out of the thread: for training. @throws QcError maps-unavailable */
  maps(image: Image): Promise<{ readonly features: Float32Array; readonly maps: FeatureMaps }>;
  /** What the features are pooled from, in their order. @throws QcError why-unavailable where it was opened without */
  pooled(image: Image): Promise<readonly PooledMap[]>;
  /**
   * What is asked once this has resolved is judged by the new head, what was asked before by the old one.
   * A head that does not open is refused, and the old one stays. @throws QcError head-damaged
   */
  useHead(head: LoadedHead | undefined): Promise<void>;
  /** Another head that judges the same features beside it; undefined ends it. @throws as `useHead` */
  useShadow(head: LoadedHead | undefined): Promise<void>;
  /** Keeps another head, which judges only what names it; until the session closes. @throws as `useHead` */
  keepHead(head: LoadedHead): Promise<void>;
  /** Settles when a thread is gone: with the reason where nobody closed it. What waits then is rejected. */
  readonly ended: Promise<QcError | undefined>;
}

/**
 * A GPU takes one run after the other, and maps are looked at one by one. Without a compiled graph all runs are wide, and each
 * worker has the weights for itself.
 */
function spreadOf({ threads, pooled }: WorkerRequest, { facts, compiled }: Opened): Spread {
  if (facts.provider !== 'cpu' || pooled || !compiled) return { workers: 1, narrow: 1, wide: 1 };
  return spreadOnCpu(threads, facts.precision);
}

/** Opens base and provider in their threads and checks them. @throws QcError what `openWorker` throws */
export async function openSession({
  worker: script,
  batch: { size, waitMs } = { size: 0, waitMs: 0 },
  onRemote,
  ...asked
}: SessionRequest): Promise<Session> {
  const request: WorkerRequest = { ...asked, batch: size };
  const first = await openWorker(request, script, onRemote);
  const { facts, compiled } = first;
  const spread = spreadOf(request, first);
  const more = Array.from({ length: spread.workers - 1 }, () =>
    openWorker({ ...request, provider: facts.provider, precision: facts.precision, compiled }, script),
  );
  const why = [...facts.why];
  const workers = [first];
  for (const other of await Promise.allSettled(more)) {
    if (other.status === 'fulfilled') workers.push(other.value);
    else why.push(`another worker: ${(other.reason as Error).message}`);
  }
  return share(workers, { ...facts, why }, { waitMs, wide: spread.wide / spread.narrow });
}

/** One session of all workers: each takes the next pictures when it is free. */
function share(
  workers: readonly InferenceWorker[],
  facts: SessionFacts,
  options: Pick<BatchOptions, 'waitMs' | 'wide'>,
): Session {
  const { batch, parallel = 1 } = facts;
  const batcher = openBatcher(workers, { ...options, most: batch, parallel });
  const heads = shareHeads(workers, batcher.pump);
  let active: string | undefined;
  let shadow: string | undefined;

  const close = async (error = new QcError('inference-stopped', 'the model is closed')) => {
    batcher.end(error);
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
  };
  // One that is gone takes the others with it: whoever opened the session opens it again, whole.
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
      const held = [asked.head, asked.shadow];
      for (const version of held) heads.hold(version);
      try {
        const { answer, ...run } = await batcher.ask({ kind: 'judge', image, ...asked }, lane);
        const said = answer.active ?? { version: 'none', probabilities: {} };
        return {
          ...said,
          features: answer.features!,
          ...(answer.shadow && { shadow: answer.shadow }),
          ranOn: answer.ranOn ?? { provider: facts.provider, precision: facts.precision },
          ...run,
        };
      } finally {
        for (const version of held) heads.release(version);
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

/** Which heads all workers have loaded: each as long as somebody holds it. @param onFree a worker has time again */
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
    // A worker that is gone has forgotten it anyhow.
    onAll({ kind: 'unload', version }).catch(() => undefined);
  }
  return {
    has: (version: string) => holders.has(version),
    hold,
    release,
    /** Holds the head once every worker has it. */
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
