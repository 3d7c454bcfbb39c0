/** An onnxruntime session for a base: options, compiled graph, tensors. */

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

// Failures are reported by our own errors; onnxruntime's coloured log lines would only confuse an operator.
ort.env.logLevel = 'fatal';

type Options = ort.InferenceSession.SessionOptions;

export interface ProvedSetup {
  readonly provider: Provider;
  readonly base: ProvedBase;
  /** CPU threads of one inference; 0 = one per core. */
  readonly threads: number;
  /** Maximum number of images in one run; more than one only if the base has a free batch dimension. */
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
  /** Features of each image, in order. @param wide use all threads, if supported */
  run(images: readonly Image[], wide?: boolean): Promise<ImageFeatures[]>;
  /** Releases resources that keep the thread alive. */
  close?(): void;
  /** The compiled graph, if one is used. */
  readonly graph: string | undefined;
  /** Whether a wide run uses more threads than a narrow one. */
  readonly isWider?: boolean;
  release(): Promise<void>;
}

/** Opens the base's graph and optimises it in memory. @throws errors of onnxruntime */
export async function openUncached(setup: SessionSetup): Promise<OnnxSession> {
  return runner(setup, await create(setup, setup.base.model), undefined);
}

/**
 * Opens the optimised graph from the cache and compiles it if necessary; for the CPU.
 * @throws errors of the file system and onnxruntime
 */
export async function openFromCache(setup: SessionSetup, cache: string): Promise<OnnxSession> {
  return openGraphFile(setup, await compiledGraph(setup, cache));
}

/** Opens a verified compiled graph. @throws errors of onnxruntime */
export async function openGraphFile(setup: ProvedSetup, graph: string): Promise<OnnxSession> {
  const session = await create(setup, graph, { graphOptimizationLevel: 'disabled' });
  return runner(setup, session, graph);
}

/** Adds a second session with more threads for wide runs; both map the same weights. */
export async function openWide(
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
    // Spinning threads between two frames would cost 50 % more CPU time without any gain.
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
 * The binding passes only `deviceId` to CUDA and TensorRT (js/node/src/session_options_helper.cc), and WebGPU refuses unknown
 * options. Operators that TensorRT does not support run on CUDA, whose library it needs anyway.
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

/** With one image per run all dimensions are fixed; with more the batch dimension stays free and takes the values of `sizes`. */
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

/** Batch sizes: powers of two, the largest first. Only a few, because onnxruntime keeps a memory plan for every shape. */
export function sizes(batch: number): number[] {
  const found: number[] = [];
  for (let size = 1; size <= batch; size *= 2) found.unshift(size);
  return found;
}

/** Number of runs in a profile: onnxruntime keeps the events in memory until the profile ends, about 60 per run of a ResNet50. */
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

/** Assigns the extra outputs to maps or pooled maps. */
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
