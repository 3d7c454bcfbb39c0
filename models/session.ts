/** The model as the rest sees it: pictures in, judgements out, by one worker thread or by several side by side. */
import { availableParallelism } from 'node:os';
import { QcError } from '../config/errors.ts';
import type { Image } from './image.ts';
import {
  type Answered,
  type FeatureMap,
  type HeadAnswer,
  type InferenceWorker,
  type LoadedHead,
  openWorker,
  type SessionFacts,
  type Task,
  type WorkerRequest,
} from './worker.ts';

export interface SessionRequest extends Omit<WorkerRequest, 'compiled'> {
  /** Another worker script that behaves like session-worker.ts (tests let one die). */
  readonly worker?: URL;
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
  /** Waiting for a thread to be free, ms. */
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

/** Requests that may wait; more is a fault of the caller or too slow a machine. */
const longestQueue = 64;

/**
 * Two workers where inference may have every core of the CPU. The threads of one inference wait for each other at every
 * layer: whenever another process takes one core for a moment the rest stand still. A second picture fills these holes (a
 * quarter more pictures a second on two cores), and a picture that comes alone still has all threads.
 */
function workersFor({ threads, maps }: SessionRequest, { provider }: SessionFacts): number {
  const cores = availableParallelism();
  return provider === 'cpu' && cores > 1 && (threads === 0 || threads >= cores) && !maps ? 2 : 1;
}

interface Job {
  readonly task: Task;
  readonly askedAt: number;
  readonly resolve: (answered: Answered & { readonly queueMs: number }) => void;
  readonly reject: (error: unknown) => void;
}

/** Opens base and provider in their threads and checks them. @throws QcError what `openWorker` throws */
export async function openSession({ worker: script, ...request }: SessionRequest): Promise<Session> {
  const first = await openWorker(request, script);
  const { facts, compiled } = first;
  const more = Array.from({ length: workersFor(request, facts) - 1 }, () =>
    openWorker({ ...request, provider: facts.provider, precision: facts.precision, compiled }, script),
  );
  const why = [...facts.why];
  const workers = [first];
  for (const other of await Promise.allSettled(more)) {
    if (other.status === 'fulfilled') workers.push(other.value);
    else why.push(`a second worker: ${(other.reason as Error).message}`);
  }
  return share(workers, { ...facts, why });
}

/** One session of all workers: each takes the next picture when it is free. */
function share(workers: readonly InferenceWorker[], facts: SessionFacts): Session {
  // One runs; a worker that is alone also has one ready, so that it never waits for this thread.
  const mostBusy = workers.length === 1 ? 2 : 1;
  const waiting: Job[] = [];
  const heads = shareHeads(workers, pump);
  let active: string | undefined;
  let shadow: string | undefined;
  let closing = false;
  let fault: QcError | undefined;

  const rejectWaiting = (error: QcError) => {
    for (const job of waiting.splice(0)) job.reject(error);
  };
  const close = async () => {
    closing = true;
    rejectWaiting(fault ?? new QcError('inference-stopped', 'the model was closed'));
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
  };
  // One that is gone takes the others with it: whoever opened the session opens it again, whole.
  const ended = Promise.race(workers.map((worker) => worker.ended)).then((error) => {
    fault = error;
    void close();
    return error;
  });

  function pump() {
    while (waiting.length > 0) {
      const free = workers.reduce((least, worker) => (worker.busy < least.busy ? worker : least));
      if (free.busy >= mostBusy) return;
      const { task, askedAt, resolve, reject } = waiting.shift()!;
      free
        .run(task)
        .finally(pump)
        .then(
          (answered) =>
            resolve({
              ...answered,
              queueMs: Math.max(0, performance.now() - askedAt - answered.inferenceMs),
            }),
          reject,
        );
    }
  }

  function ask(task: Task) {
    return new Promise<Answered & { readonly queueMs: number }>((resolve, reject) => {
      if (closing || fault) throw fault ?? new QcError('inference-stopped', 'the model is closed');
      if (waiting.length >= longestQueue) {
        throw new QcError('overloaded', `${longestQueue} pictures are waiting for the model already`);
      }
      waiting.push({ task, resolve, reject, askedAt: performance.now() });
      pump();
    });
  }

  return {
    facts,
    ended,
    async judge(image, by) {
      if (by !== undefined && !heads.has(by)) {
        throw new QcError('version-unknown', `the head ${by} is not loaded`);
      }
      const asked = by === undefined ? { head: active, shadow } : { head: by, shadow: undefined };
      const held = [asked.head, asked.shadow];
      for (const version of held) heads.hold(version);
      try {
        const { answer, ...times } = await ask({ kind: 'judge', image, ...asked });
        const said = answer.active ?? { version: 'none', probabilities: {} };
        return {
          ...said,
          features: answer.features!,
          ...(answer.shadow && { shadow: answer.shadow }),
          ...times,
        };
      } finally {
        for (const version of held) heads.release(version);
      }
    },
    features: async (image) => (await ask({ kind: 'features', image })).answer.features!,
    map: async (image) => (await ask({ kind: 'map', image })).answer.map!,
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
  const onAll = (task: Task) => Promise.all(workers.map((worker) => worker.run(task).finally(onFree)));

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
