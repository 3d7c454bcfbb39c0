/** onnxruntime's session over a base: its options, its compiled graph, its tensors. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { type Base, mapShapes, type ProvedBase } from '../base.ts';
import { makeFolders } from '../disk/folders.ts';
import type { Image } from '../image.ts';
import { makePrepare } from '../prepare/prepare.ts';
import { openCompiled } from './compiled.ts';
import { bytesOverflow } from './int8-overflow.ts';
import type { Gpu } from './messages.ts';
import type { Provider } from './providers.ts';
import type { FeatureMap, ImageFeatures, Native } from './runner.ts';

// What fails is said by our own errors; onnxruntime's coloured lines would only alarm an operator.
ort.env.logLevel = 'fatal';

type Options = ort.InferenceSession.SessionOptions;

export interface ProvedSetup {
  readonly provider: Provider;
  readonly base: ProvedBase;
  /** CPU threads of one inference; 0 = one a core. */
  readonly threads: number;
  /** Most pictures in one run; more than one only where the base's batch is free. */
  readonly batch: number;
  readonly gpu?: Gpu | undefined;
  /** Folder for a profile of the first runs; none without one. */
  readonly profile?: string | undefined;
  readonly native: Native;
}

export interface SessionSetup extends ProvedSetup {
  readonly base: Base;
}

export interface OnnxSession {
  /** One for each image, in their order. @param wide with all threads, where it has a choice */
  run(images: readonly Image[], wide?: boolean): Promise<ImageFeatures[]>;
  /** Lets go of what would keep the thread alive. */
  close?(): void;
  /** The compiled graph that runs, where one does. */
  readonly graph: string | undefined;
  /** Whether a wide run takes more threads than another one. */
  readonly isWider?: boolean;
  release(): Promise<void>;
}

/** The base's own graph, optimised here and now. @throws what onnxruntime throws */
export async function openAsItIs(setup: SessionSetup): Promise<OnnxSession> {
  return runner(setup, await create(setup, setup.base.model), undefined);
}

/**
 * A graph that was optimised for this processor before, from the cache, where it is made if need be; for the CPU.
 * @throws what files and onnxruntime throw
 */
export async function openFromCache(setup: SessionSetup, cache: string): Promise<OnnxSession> {
  return openGraphFile(setup, await compiledGraph(setup, cache));
}

/** A compiled graph that was proved to be whole. @throws what onnxruntime throws */
export async function openGraphFile(setup: ProvedSetup, graph: string): Promise<OnnxSession> {
  const session = await create(setup, graph, { graphOptimizationLevel: 'disabled' });
  return runner(setup, session, graph);
}

/** With more threads for wide runs: a second session over the same graph, whose weights both map. */
export async function openWider(
  narrow: OnnxSession,
  setup: ProvedSetup,
  threads: number,
): Promise<OnnxSession> {
  if (narrow.graph === undefined || threads <= setup.threads) return narrow;
  const wider = await openGraphFile({ ...setup, threads }, narrow.graph).catch(async (error: unknown) => {
    await narrow.release();
    throw error;
  });
  return {
    ...narrow,
    isWider: true,
    run: (images, wide) => (wide ? wider : narrow).run(images),
    async release() {
      await Promise.all([narrow.release(), wider.release()]);
    },
  };
}

async function create(
  { provider, base, threads, batch, gpu, profile, native }: ProvedSetup,
  graph: string | Uint8Array,
  more: Options = {},
): Promise<ort.InferenceSession> {
  const options: Options = {
    executionProviders: executionProviders(provider, gpu),
    intraOpNumThreads: threads || availableParallelism(),
    interOpNumThreads: 1,
    freeDimensionOverrides: dimensions(base, batch),
    logSeverityLevel: 4,
    ...(profile !== undefined && {
      enableProfiling: true,
      profileFilePrefix: join(profile, 'base'),
    }),
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
  if (profile !== undefined) await makeFolders(profile);
  return native(() =>
    typeof graph === 'string'
      ? ort.InferenceSession.create(graph, options)
      : ort.InferenceSession.create(graph, options),
  );
}

/**
 * Of all options of CUDA and TensorRT the binding passes on `deviceId` alone (js/node/src/session_options_helper.cc), and WebGPU
 * refuses names it does not know. What TensorRT cannot take runs on CUDA, whose library it needs anyway.
 */
export function executionProviders(provider: Provider, gpu?: Gpu): Options['executionProviders'] & object {
  const deviceId = gpu?.deviceId ?? 0;
  switch (provider) {
    case 'tensorrt':
      return [
        { name: 'tensorrt', deviceId },
        { name: 'cuda', deviceId },
      ];
    case 'cuda':
      return [{ name: 'cuda', deviceId }];
    default:
      return [provider];
  }
}

/** With one picture a run everything is fixed; with more the batch stays free, and takes the sizes of `sizes`. */
function dimensions(
  { dimensions, batch: name }: ProvedBase,
  batch: number,
): Readonly<Record<string, number>> {
  if (batch === 1) return dimensions;
  return Object.fromEntries(Object.entries(dimensions).filter(([free]) => free !== name));
}

async function compiledGraph(setup: SessionSetup, cache: string): Promise<string> {
  const { base, batch } = setup;
  const identity = [
    base.manifest.sha256,
    [base.output, ...base.extraOutputs].join(),
    JSON.stringify(dimensions(base, batch)),
    ort.env.versions.node!,
  ];
  return openCompiled(cache, identity, async (graph, weights) => {
    const session = await create(setup, base.model, {
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

/** onnxruntime keeps a memory plan for every shape it meets: few sizes, powers of two up to the batch, the largest first. */
export function sizes(batch: number): number[] {
  const found: number[] = [];
  for (let size = 1; size <= batch; size *= 2) found.unshift(size);
  return found;
}

/** Runs in a profile: onnxruntime keeps its events in memory until the profile ends, some 60 a run of a ResNet50. */
const profiledRuns = 500;

function runner(
  { base, batch, profile, native }: ProvedSetup,
  session: ort.InferenceSession,
  graph: string | undefined,
): OnnxSession {
  const { input } = base.manifest;
  const { width, height, layout } = input;
  const prepare = makePrepare(input);
  const length = 3 * width * height;
  const feeds = new Map(
    sizes(batch).map((size) => {
      const pixels = new Float32Array(size * length);
      const dims = layout === 'NCHW' ? [size, 3, height, width] : [size, height, width, 3];
      return [size, { pixels, tensor: new ort.Tensor('float32', pixels, dims) }];
    }),
  );
  const wanted = [base.output, ...base.extraOutputs];
  const extra = namedOutputs(base);

  let toProfile = profile === undefined ? 0 : profiledRuns;
  function endProfile(): void {
    if (toProfile > 0) session.endProfiling();
    toProfile = 0;
  }

  return {
    graph,
    release: () => session.release(),
    close: endProfile,
    async run(images) {
      const described: ImageFeatures[] = [];
      for (let from = 0; from < images.length; ) {
        const size = [...feeds.keys()].find((size) => size <= images.length - from)!;
        const { pixels, tensor } = feeds.get(size)!;
        const startedAt = performance.now();
        for (let n = 0; n < size; n++) {
          prepare(images[from + n]!, pixels.subarray(n * length, (n + 1) * length));
        }
        const prepareMs = (performance.now() - startedAt) / size;
        const outputs = await native(() => session.run({ [input.name]: tensor }, wanted));
        if (toProfile === 1) endProfile();
        else if (toProfile > 0) toProfile--;
        const rows = outputs[base.output]!.data as Float32Array;
        const each = rows.length / size;
        for (let n = 0; n < size; n++) {
          described.push({
            features: rows.slice(n * each, (n + 1) * each),
            ...extra(base.extraOutputs.map((name) => mapOf(outputs[name]!, n))),
            prepareMs,
          });
        }
        from += size;
      }
      return described;
    },
  };
}

/** What the tensors besides the features are, in their order. */
function namedOutputs(
  base: ProvedBase,
): (maps: readonly FeatureMap[]) => Pick<ImageFeatures, 'maps' | 'pooled'> {
  const { extraOutputs, maps, pools } = base;
  if (extraOutputs.length === 0) return () => ({});
  if (base.extra === 'pooled') {
    const sources = [...new Set(pools?.map(({ tensor }) => tensor))];
    return (found) => ({
      pooled: pools?.map(({ kind, tensor }) => ({ kind, map: found[sources.indexOf(tensor)]! })),
    });
  }
  const names = mapShapes({ maps, manifest: base.manifest }).map(({ name }) => name);
  return (found) => ({ maps: Object.fromEntries(found.map((map, i) => [names[i]!, map])) });
}

/** A view into the output. @param n which image of the run */
function mapOf({ data, dims }: ort.Tensor, n: number): FeatureMap {
  const [, channels = 0, height = 0, width = 0] = dims;
  const length = channels * height * width;
  return { data: (data as Float32Array).subarray(n * length, (n + 1) * length), channels, height, width };
}
