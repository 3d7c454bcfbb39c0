/**
 * A graph in the thread that calls, which it blocks for each inference: for processes that do nothing else. Bases that judge
 * parts run in a thread of their own, session.ts.
 */
import { setImmediate } from 'node:timers/promises';
import { encodeModel, type OnnxModel } from '../onnx/proto.ts';
import { bytesOverflow } from './int8-overflow.ts';

export interface GraphOptions {
  readonly input: string;
  /** Of the input; one picture. */
  readonly dims: readonly number[];
  /** Names of free dimensions and the sizes to fix them at. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** CPU threads of one inference; 0 = one a core. */
  readonly threads: number;
}

export interface Graph extends AsyncDisposable {
  /** The wanted outputs for one input; they live until the next call at least. */
  run(values: Float32Array, wanted: readonly string[]): Promise<ReadonlyMap<string, Float32Array>>;
}

/** Opens a model, or the bytes of one, on the CPU. Throws what onnxruntime throws. */
export async function openGraph(model: OnnxModel | Uint8Array, options: GraphOptions): Promise<Graph> {
  // As in session.ts: told before the runtime is loaded.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const { default: ort } = await import('onnxruntime-node');
  ort.env.logLevel = 'fatal';
  const bytes = model instanceof Uint8Array ? model : encodeModel(model);
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    freeDimensionOverrides: options.dimensions,
    logSeverityLevel: 4,
    extra: {
      session: { intra_op: { allow_spinning: '0' }, ...(bytesOverflow() && { x64quantprecision: '1' }) },
    },
  });
  return {
    async run(values, wanted) {
      // Signals and messages get their turn between two inferences.
      await setImmediate();
      const feeds = { [options.input]: new ort.Tensor('float32', values, options.dims) };
      const outputs = await session.run(feeds, wanted);
      return new Map(wanted.map((name) => [name, outputs[name]!.data as Float32Array]));
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}
