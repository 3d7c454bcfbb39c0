/**
 * Runs a graph in the calling thread, which is blocked during inference: for processes that do nothing else. Bases that judge
 * parts run in their own thread (session.ts).
 */
import { setImmediate } from 'node:timers/promises';
import { encodeModel, type OnnxModel } from '../onnx/proto.ts';
import { bytesOverflow } from './int8-overflow.ts';

export interface GraphOptions {
  readonly input: string;
  /** Dimensions of the input for one image. */
  readonly dims: readonly number[];
  /** Names of free dimensions and the sizes to fix them at. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** CPU threads of one inference; 0 = one per core. */
  readonly threads: number;
}

export interface Graph extends AsyncDisposable {
  /** The wanted outputs for one input; valid at least until the next call. */
  run(values: Float32Array, wanted: readonly string[]): Promise<ReadonlyMap<string, Float32Array>>;
  /** Shapes of the wanted outputs for one input. */
  shapes(values: Float32Array, wanted: readonly string[]): Promise<ReadonlyMap<string, readonly number[]>>;
}

/** Opens a model on the CPU. @throws errors of onnxruntime */
export async function openGraph(model: OnnxModel | Uint8Array, options: GraphOptions): Promise<Graph> {
  const { ort, session } = await openHere(model, options);
  async function outputsFor(values: Float32Array, wanted: readonly string[]) {
    // Lets the event loop process signals and messages between two inferences.
    await setImmediate();
    const feeds = { [options.input]: new ort.Tensor('float32', values, options.dims) };
    return session.run(feeds, wanted);
  }
  return {
    async run(values, wanted) {
      const outputs = await outputsFor(values, wanted);
      return new Map(wanted.map((name) => [name, outputs[name]!.data as Float32Array]));
    },
    async shapes(values, wanted) {
      const outputs = await outputsFor(values, wanted);
      return new Map(wanted.map((name) => [name, outputs[name]!.dims]));
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

export interface Values {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** A graph with several inputs of fixed shapes. */
export interface Steps extends AsyncDisposable {
  run(inputs: ReadonlyMap<string, Values>, wanted: readonly string[]): Promise<ReadonlyMap<string, Values>>;
}

/** @param threads CPU threads of one run; 0 = one per core. @throws errors of onnxruntime */
export async function openSteps(model: OnnxModel, threads: number): Promise<Steps> {
  const { ort, session } = await openHere(model, { threads, dimensions: {} });
  return {
    async run(inputs, wanted) {
      await setImmediate();
      const feeds = Object.fromEntries(
        Array.from(inputs, ([name, { data, dims }]) => [name, new ort.Tensor('float32', data, dims)]),
      );
      const outputs = await session.run(feeds, wanted);
      return new Map(
        wanted.map((name) => [
          name,
          { data: outputs[name]!.data as Float32Array, dims: outputs[name]!.dims },
        ]),
      );
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

async function openHere(
  model: OnnxModel | Uint8Array,
  { threads, dimensions }: Pick<GraphOptions, 'threads' | 'dimensions'>,
) {
  // Must be set before the runtime is loaded, as in worker.ts.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const { default: ort } = await import('onnxruntime-node');
  ort.env.logLevel = 'fatal';
  const bytes = model instanceof Uint8Array ? model : encodeModel(model);
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    freeDimensionOverrides: dimensions,
    logSeverityLevel: 4,
    extra: {
      session: { intra_op: { allow_spinning: '0' }, ...(bytesOverflow() && { x64quantprecision: '1' }) },
    },
  });
  return { ort, session };
}
