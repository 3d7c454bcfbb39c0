/** The thread that owns onnxruntime: opens base and provider, then answers requests in their order. */
import { readlinkSync } from 'node:fs';
import { availableParallelism, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import ort from 'onnxruntime-node';
import { QcError } from '../config/errors.ts';
import { type Base, openBase } from './base.ts';
import { checkFailure, checkImage, recordCheck } from './check.ts';
import { openCompiled } from './compiled.ts';
import { type Choice, fastestOf } from './fastest.ts';
import type { Image } from './image.ts';
import { bytesOverflow } from './overflow.ts';
import { makePrepare, type Prepare } from './prepare.ts';
import { type Provider, providers, whyAbsent } from './providers.ts';
import type {
  Answer,
  FeatureMap,
  FromWorker,
  HeadAnswer,
  LoadedHead,
  Opened,
  SentError,
  Task,
  ToWorker,
  WorkerData,
} from './worker.ts';

const { request, guard } = workerData as WorkerData;
const port = parentPort!;
const send = (message: FromWorker) => port.postMessage(message);

standBack();

// What fails is said by our own errors; onnxruntime's coloured lines would only alarm an operator.
ort.env.logLevel = 'fatal';

/**
 * Event loop and cameras come first where cores are scarce: this thread, and those of onnxruntime that it starts
 * and that inherit from it, are nicer (Linux keeps niceness by thread; elsewhere it stays as it is).
 */
function standBack(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, 10);
  } catch {
    // Only a courtesy.
  }
}

/** Native code may not be torn down with its thread: says when it runs, and starts none once the process exits. */
async function native<T>(call: () => Promise<T>): Promise<T> {
  Atomics.store(guard, 0, 1);
  try {
    if (Atomics.load(guard, 1) === 1) throw new QcError('inference-stopped', 'the process is exiting');
    return await call();
  } finally {
    Atomics.store(guard, 0, 0);
    Atomics.notify(guard, 0);
  }
}

type Run = (
  image: Image,
) => Promise<{ readonly features: Float32Array; readonly map?: ort.Tensor | undefined }>;

type Options = ort.InferenceSession.SessionOptions;

/** One session on one provider; throws what onnxruntime throws. @param graph instead of the base's own */
async function openOn(
  provider: Provider,
  base: Base,
  { graph = base.model, ...more }: Options & { readonly graph?: string | Uint8Array } = {},
): Promise<ort.InferenceSession> {
  const options: Options = {
    executionProviders: [provider],
    intraOpNumThreads: request.threads || availableParallelism(),
    interOpNumThreads: 1,
    freeDimensionOverrides: base.dimensions,
    logSeverityLevel: 4,
    ...more,
    // Threads that spin between two frames cost half as much again as the inference itself, for no speed.
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        ...(bytesOverflow() && { x64quantprecision: '1' }),
        ...(more.extra?.session as object),
      },
    },
  };
  return native(() =>
    typeof graph === 'string'
      ? ort.InferenceSession.create(graph, options)
      : ort.InferenceSession.create(graph, options),
  );
}

/** The base's graph, optimised for this processor, from the cache. @throws what files and onnxruntime throw */
async function compiledGraph(base: Base, cache: string): Promise<string> {
  const identity = [
    base.manifest.sha256,
    base.output,
    JSON.stringify(base.dimensions),
    ort.env.versions.node!,
  ];
  return openCompiled(cache, identity, async (graph, weights) => {
    const session = await openOn('cpu', base, {
      optimizedModelFilePath: graph,
      extra: {
        session: {
          optimized_model_external_initializers_file_name: weights,
          optimized_model_external_initializers_min_size_in_bytes: '1024',
        },
      },
    });
    await session.release();
  });
}

function runner(session: ort.InferenceSession, base: Base, prepare: Prepare): Run {
  const { input } = base.manifest;
  const { width, height } = input;
  const dims = input.layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3];
  let tensor: ort.Tensor | undefined;
  return async (image) => {
    const pixels = prepare(image);
    tensor ??= new ort.Tensor('float32', pixels, dims);
    const feeds = { [input.name]: tensor };
    const wanted = base.map === undefined ? [base.output] : [base.output, base.map];
    const outputs = await native(() => session.run(feeds, wanted));
    const features = outputs[base.output]!.data as Float32Array;
    return { features, map: base.map === undefined ? undefined : (outputs[base.map] as ort.Tensor) };
  };
}

interface Candidate extends Choice {
  readonly provider: Provider;
  /** Where it fails the next one is tried; the last one on the CPU must run. */
  readonly optional: boolean;
}

/** What is tried, in this order: a GPU takes the float base, the CPU the fastest variant that passed its gate. */
async function candidates(base: Base): Promise<Candidate[]> {
  const because = request.precision === 'auto' ? 'a GPU runs it in float' : 'model.precision says so';
  const found: Candidate[] = [];
  for (const provider of request.provider === 'auto' ? providers : [request.provider]) {
    if (provider !== 'cpu') {
      found.push({ provider, base, because, optional: true });
      continue;
    }
    const choice = await fastestOf(request, base);
    found.push({ ...choice, provider, optional: choice.base !== base });
    if (choice.base !== base) {
      found.push({ provider, base, because: 'its int8 variant does not run here', optional: false });
    }
  }
  return found;
}

/** The first provider that opens the base and passes the check. */
async function openProvider(float: Base): Promise<Opened & { readonly run: Run }> {
  const prepare = makePrepare(float.manifest.input);
  const image = checkImage(float.manifest.input.width, float.manifest.input.height);
  const why: string[] = [];
  for (const { provider, base, because, optional } of await candidates(float)) {
    const { manifest } = base;
    const { precision } = manifest;
    let reason = whyAbsent(provider);
    if (reason === undefined) {
      try {
        const { session, graph } = await open(provider, base);
        const run = runner(session, base, prepare);
        reason = await failure(provider, base, run);
        if (reason === undefined) {
          return { facts: { manifest, precision, because, provider, why }, compiled: graph, run };
        }
        await session.release();
      } catch (error) {
        if (!optional) throw refused(error, base);
        reason = brief(error);
      }
    }
    why.push(`${provider === 'cpu' ? precision : provider}: ${reason}`);
  }
  throw new QcError('provider-unavailable', `no provider can run the model: ${why.join('; ')}`);

  /** On the CPU from a compiled graph where one can be had. */
  async function open(
    provider: Provider,
    base: Base,
  ): Promise<{ session: ort.InferenceSession; graph?: string }> {
    const { cache, compiled } = request;
    if (provider === 'cpu' && cache !== undefined && base.map === undefined) {
      try {
        const graph = compiled ?? (await compiledGraph(base, cache));
        return { session: await openOn('cpu', base, { graph, graphOptimizationLevel: 'disabled' }), graph };
      } catch (error) {
        why.push(`a compiled graph: ${brief(error)}`);
      }
    }
    return { session: await openOn(provider, base) };
  }

  /** The CPU provider is the reference: where it fails, the model is wrong, not the provider. */
  async function failure(provider: Provider, base: Base, run: Run): Promise<string | undefined> {
    const { manifest } = base;
    const { features } = await run(image);
    if (features.length !== manifest.features.size) {
      throw new QcError(
        'model-mismatch',
        `${base.file}: ${manifest.features.tensor} gives ${features.length} features, the manifest says ${manifest.features.size}`,
      );
    }
    const check =
      manifest.check ??
      recordCheck(
        provider === 'cpu'
          ? features
          : (await runner(await openOn('cpu', base), base, prepare)(image)).features,
      );
    const reason = checkFailure(check, features, manifest.precision);
    if (reason !== undefined && provider === 'cpu') {
      throw new QcError('model-check-failed', `${base.file}: ${reason}`);
    }
    return reason;
  }

  function refused(error: unknown, base: Base): QcError {
    if (error instanceof QcError) return error;
    return new QcError('model-damaged', `onnxruntime refuses ${base.file}: ${brief(error)}`, {
      remedy: 'export the model again as ONNX, or copy it again',
    });
  }
}

/** The first sentence of onnxruntime's message, without source locations. */
function brief(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.split('\n')[0]!.replace(/^\S*onnxruntime_src\S*\s.*?(was false\.\s*|:\s)/, '');
  return line.length > 160 ? `${line.slice(0, 157)}…` : line;
}

interface Head {
  readonly session: ort.InferenceSession;
  readonly version: string;
  readonly labels: readonly string[];
}

async function openHead({ model, version, labels }: LoadedHead): Promise<Head> {
  try {
    const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, logSeverityLevel: 4 } as const;
    return { session: await native(() => ort.InferenceSession.create(model, options)), version, labels };
  } catch (error) {
    throw new QcError('head-damaged', `onnxruntime refuses the head: ${brief(error)}`);
  }
}

async function classify({ session, version, labels }: Head, features: Float32Array): Promise<HeadAnswer> {
  const feeds = { [session.inputNames[0]!]: new ort.Tensor('float32', features, [1, features.length]) };
  const outputs = await native(() => session.run(feeds));
  const values = outputs[session.outputNames[0]!]!.data as Float32Array;
  const [familiarity] = (outputs.familiarity?.data as Float32Array | undefined) ?? [];
  if (values.length !== labels.length) {
    throw new QcError('head-damaged', `the head gives ${values.length} values for ${labels.length} labels`);
  }
  const probabilities = Object.fromEntries(labels.map((label, i) => [label, values[i]!]));
  return { version, probabilities, ...(familiarity !== undefined && { familiarity }) };
}

function mapOf(map: ort.Tensor | undefined): FeatureMap {
  const [, , height = 0, width = 0] = map?.dims ?? [];
  if (!map || height * width === 0) {
    throw new QcError('why-unavailable', 'this base has no map before its pooled features');
  }
  return { data: (map.data as Float32Array).slice(), height, width };
}

function toSend(error: unknown): SentError {
  if (error instanceof QcError) return { code: error.code, message: error.message, remedy: error.remedy };
  const { code, remedy } = new QcError('internal', '');
  return { code, remedy, message: error instanceof Error ? error.message : String(error) };
}

/** Answers requests one by one until told to close. */
function serve(run: Run): void {
  const heads = new Map<string, Head>();
  let last: Promise<void> = Promise.resolve();

  async function perform(task: Task): Promise<Answer> {
    if (task.kind === 'load') {
      heads.set(task.head.version, await openHead(task.head));
      return {};
    }
    if (task.kind === 'unload') {
      await heads.get(task.version)?.session.release();
      heads.delete(task.version);
      return {};
    }
    const { features, map } = await run(task.image);
    if (task.kind === 'map') return { map: mapOf(map) };
    if (task.kind === 'features') return { features: features.slice() };
    const head = task.head === undefined ? undefined : heads.get(task.head);
    const shadow = task.shadow === undefined ? undefined : heads.get(task.shadow);
    if (task.head !== undefined && !head) {
      throw new QcError('internal', `the head ${task.head} was not loaded`);
    }
    return {
      features: features.slice(),
      active: head && (await classify(head, features)),
      // What is tried out must never cost the part its verdict.
      shadow: shadow && (await classify(shadow, features).catch(() => undefined)),
    };
  }

  async function reply(id: number, task: Task): Promise<void> {
    const startedAt = performance.now();
    try {
      const answer = await perform(task);
      send({ id, answer, inferenceMs: performance.now() - startedAt });
    } catch (error) {
      send({ id, failed: toSend(error) });
    }
  }

  port.on('message', (message: ToWorker) => {
    if ('close' in message) last = last.then(() => port.close());
    else last = last.then(() => reply(message.id, message.task));
  });
}

try {
  const base = await openBase(request);
  const { facts, compiled, run } = await openProvider(base);
  serve(run);
  send({ opened: { facts, compiled } });
} catch (error) {
  send({ failed: toSend(error) });
}
