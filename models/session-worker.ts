/** The thread that worker.ts starts: opens base and heads, and processes requests one batch at a time. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { QcError } from '../config/errors.ts';
import { openRemotely } from './remote/remote.ts';
import { classify, type Head, openHead } from './run/head-sessions.ts';
import { openLocally } from './run/local.ts';
import type {
  Answer,
  FromWorker,
  HeadTask,
  ImageTask,
  Opened,
  Outcome,
  RunRequest,
  SentError,
  ToWorker,
  WorkerData,
} from './run/messages.ts';
import { monotonicMs } from './run/monotonic.ts';
import type { FeatureMap, FeatureMaps, ImageFeatures, Native, Runner } from './run/runner.ts';

const { request, guard } = workerData as WorkerData;
const port = parentPort!;
const send = (message: FromWorker, transfer?: ArrayBuffer[]) => port.postMessage(message, transfer);

lowerPriority();

/**
 * Gives the event loop and the cameras precedence on few cores: raises the nice value of this thread and of the onnxruntime
 * threads that inherit it (Linux has a nice value per thread; no effect on other systems).
 */
function lowerPriority(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, 10);
  } catch {
    // The agent works without it.
  }
}

let calls: Promise<unknown> = Promise.resolve();

/**
 * A thread must not be terminated inside native code: this marks when native code runs and starts none once the process exits.
 * Calls run one at a time; onnxruntime would not run them concurrently in one thread.
 */
const native: Native = (call) => {
  const called = calls.then(async () => {
    Atomics.store(guard, 0, 1);
    try {
      if (Atomics.load(guard, 1) === 1) throw new QcError('inference-stopped', 'the process is exiting');
      return await call();
    } finally {
      Atomics.store(guard, 0, 0);
      Atomics.notify(guard, 0);
    }
  });
  calls = called.catch(() => undefined);
  return called;
};

function toSend(error: unknown): SentError {
  if (error instanceof QcError) return { code: error.code, message: error.message, remedy: error.remedy };
  const { code, remedy } = new QcError('internal', '');
  return { code, remedy, message: error instanceof Error ? error.message : String(error) };
}

/** Time used so far by one run, ms. */
interface Spent {
  prepareMs: number;
  headMs: number;
}

/** Processes requests until it receives `close`: in order, or several concurrently if the runner waits for a server. */
function serve(runner: Runner, { facts: { provider, maps } }: Opened): void {
  // A server returns features only: the base is not run here for a head that needs maps only for `where`.
  const sparesMaps = provider === 'remote' || maps.length === 0;
  const heads = new Map<string, Head>();
  let last: Promise<void> = Promise.resolve();
  async function answersOf(tasks: readonly ImageTask[], wide: boolean, spent: Spent): Promise<Answer[]> {
    const images = tasks.map(({ image }) => image);
    const maps = tasks.some(needsMaps);
    if (maps) await runner.openMaps();
    const described = await runner.run(images, { wide, maps });
    for (const one of described) spent.prepareMs += one.prepareMs ?? 0;
    const describedAt = performance.now();
    const answers: Answer[] = [];
    for (const [n, task] of tasks.entries()) answers.push(await answerOf(task, described[n]!));
    spent.headMs += performance.now() - describedAt;
    return answers;
  }

  function needsMaps(task: ImageTask): boolean {
    if (task.kind !== 'judge') return task.kind === 'maps';
    return [task.head, task.shadow].some((head) => head !== undefined && heads.get(head)?.needsMaps);
  }

  async function answerOf(task: ImageTask, described: ImageFeatures): Promise<Answer> {
    const { features, maps = {}, pooled, ranOn } = described;
    if (task.kind === 'features') return { features };
    if (task.kind === 'maps') return { features, maps: copied(maps) };
    if (task.kind === 'pooled') {
      if (!pooled)
        throw new QcError('why-unavailable', 'the features of this base are not pooled from feature maps');
      return { pooled: pooled.map(({ kind, map }) => ({ kind, map: copiedMap(map) })) };
    }
    const head = task.head === undefined ? undefined : heads.get(task.head);
    const shadow = task.shadow === undefined ? undefined : heads.get(task.shadow);
    if (task.head !== undefined && !head) {
      throw new QcError('internal', `the head ${task.head} was not loaded`);
    }
    return {
      features,
      ranOn,
      active: head && (await classify(head, described, native)),
      // A shadow version that fails must not affect the verdict.
      shadow: shadow && (await classify(shadow, described, native).catch(() => undefined)),
    };
  }

  /** If a batch fails, each image runs alone, so that one bad image does not fail the others. */
  async function imageTasks(tasks: readonly ImageTask[], wide: boolean, spent: Spent): Promise<Outcome[]> {
    try {
      return await answersOf(tasks, wide, spent);
    } catch (error) {
      if (tasks.length === 1) return [{ failed: toSend(error) }];
      const outcomes: Outcome[] = [];
      for (const task of tasks) outcomes.push(...(await imageTasks([task], wide, spent)));
      return outcomes;
    }
  }

  async function headTask(task: HeadTask): Promise<Outcome> {
    try {
      if (task.kind === 'load') {
        const head = await openHead(task.head, native, sparesMaps);
        try {
          if (head.needsMaps) await runner.openMaps();
        } catch (error) {
          await head.session.release();
          throw error;
        }
        heads.set(task.head.version, head);
      } else {
        await heads.get(task.version)?.session.release();
        heads.delete(task.version);
      }
      return {};
    } catch (error) {
      return { failed: toSend(error) };
    }
  }

  async function reply({ id, tasks, wide }: RunRequest): Promise<void> {
    const startedAt = monotonicMs();
    const spent: Spent = { prepareMs: 0, headMs: 0 };
    const outcomes = isHeadTask(tasks) ? [await headTask(tasks[0])] : await imageTasks(tasks, wide, spent);
    const times = { startedAt, inferenceMs: monotonicMs() - startedAt, ...spent };
    send({ id, outcomes, times }, outcomes.flatMap(buffersOfMaps));
  }

  function close(): void {
    runner.close?.();
    port.close();
  }

  port.on('message', (message: ToWorker) => {
    // Closes only after the last answer.
    if ('close' in message) last = last.then(close);
    else if (runner.parallel !== undefined && !isHeadTask(message.tasks)) void reply(message);
    else last = last.then(() => reply(message));
  });
}

/** Copies the view: a message would carry its whole buffer, which holds the maps of all images of a run. */
const copiedMap = (map: FeatureMap): FeatureMap => ({ ...map, data: map.data.slice() });
const copied = (maps: FeatureMaps): FeatureMaps =>
  Object.fromEntries(Object.entries(maps).map(([name, map]) => [name, copiedMap(map)]));

/** Buffers to transfer instead of copying them again. */
function buffersOfMaps(outcome: Outcome): ArrayBuffer[] {
  if ('failed' in outcome) return [];
  const maps = [...Object.values(outcome.maps ?? {}), ...(outcome.pooled ?? []).map(({ map }) => map)];
  return [...new Set(maps.map(({ data }) => data.buffer as ArrayBuffer))];
}

const isHeadTask = (tasks: RunRequest['tasks']): tasks is readonly [HeadTask] =>
  tasks[0]?.kind === 'load' || tasks[0]?.kind === 'unload';

function open() {
  const { provider, remote } = request;
  if (provider !== 'remote') return openLocally({ ...request, provider }, native);
  if (!remote) throw new QcError('provider-unavailable', 'no inference server is configured');
  return openRemotely({ ...request, remote }, native, (news) => send({ remote: news }));
}

try {
  const { opened, runner } = await open();
  serve(runner, opened);
  send({ opened });
} catch (error) {
  send({ failed: toSend(error) });
}
