/** The float base in the form that quantization needs: a simplified graph whose tensors can be read. */
import { QcError } from '../../config/errors.ts';
import { type Base, wholeGraph } from '../base.ts';
import type { Image } from '../image.ts';
import type { BaseManifest } from '../manifest.ts';
import { inFloat32, withWeightsApart } from '../onnx/adapt.ts';
import { valueInfo } from '../onnx/build.ts';
import { cutAt } from '../onnx/cut.ts';
import { producers } from '../onnx/graph.ts';
import type { MapTensor } from '../onnx/maps.ts';
import { changed, type OnnxModel } from '../onnx/proto.ts';
import { foldModel } from '../onnx/quantize/fold.ts';
import { exactPixels, pixelsTensor } from '../onnx/quantize/pixels.ts';
import type { Range } from '../onnx/quantize/ranges.ts';
import { makePrepare } from '../prepare/prepare.ts';
import { type Graph, openGraph } from '../run/session-graph.ts';

/** Reads an image on demand, so that only one is in memory at a time. */
export type ImageReader = () => Promise<Image>;

export interface FloatBase {
  /** Maps of stages 2 and 3; their tensors are in the graph. */
  readonly maps: readonly MapTensor[];
  /** Folded, ending at the tensor that the manifest names. */
  readonly plain: OnnxModel;
  /** The same with integer pixels as input, if possible. */
  readonly model: OnnxModel;
  /** Ranges that are known without measurement. */
  readonly known: ReadonlyMap<string, Range>;
  /** Opens the model, or another with the same input, on the CPU. */
  open(model: OnnxModel | Uint8Array, threads: number): Promise<OpenGraph>;
}

export interface OpenGraph extends AsyncDisposable {
  /** Pooled features, [size]; a copy. */
  features(image: Image): Promise<Float32Array>;
  /** The wanted tensors, which may include the input; valid until the next call. */
  tensors(image: Image, wanted: readonly string[]): Promise<ReadonlyMap<string, Float32Array>>;
}

/** @throws QcError quantize-impossible if the graph cannot be converted */
export async function readFloat(base: Base): Promise<FloatBase> {
  const { input, features } = base.manifest;
  let model: OnnxModel;
  try {
    // Variants in int8 or float16 are made from float32.
    const whole = withWeightsApart(inFloat32(await wholeGraph(base)));
    const maps = base.maps.map(({ tensor }) => tensor);
    const cut = cutAt(whole, features.tensor, featureDims(whole, features), maps);
    // Folding keeps the names of outputs. Afterwards the features are the only output again.
    const folded = foldModel(withOutputs(cut, maps));
    model = changed(folded, { graph: changed(folded.graph!, { output: cut.graph!.output }) });
  } catch (cause) {
    if (cause instanceof QcError) throw cause;
    throw new QcError('quantize-impossible', `${base.file}: ${(cause as Error).message}`, { cause });
  }
  const refused = (cause: unknown): never => {
    const [reason] = (cause as Error).message.trim().split('\n');
    throw new QcError(
      'quantize-impossible',
      `${base.file}: onnxruntime refuses the graph made from it: ${reason}`,
      {
        cause,
        remedy: 'export the model in float32 with opset 13 or later; the base itself can still be used',
      },
    );
  };
  const exact = exactPixels(model, input);
  const dims =
    input.layout === 'NCHW' ? [1, 3, input.height, input.width] : [1, input.height, input.width, 3];
  const prepare = makePrepare(input);

  function described(graph: Graph): OpenGraph {
    async function tensors(image: Image, wanted: readonly string[]) {
      const values = prepare(image);
      const others = wanted.filter((name) => name !== input.name);
      const outputs = others.length > 0 ? await graph.run(values, others).catch(refused) : new Map();
      return wanted.includes(input.name) ? new Map([...outputs, [input.name, values]]) : outputs;
    }
    return {
      tensors,
      async features(image) {
        const found = (await tensors(image, [features.tensor])).get(features.tensor)!;
        return features.pool === 'average' ? averages(found, features.size) : found.slice(0, features.size);
      },
      [Symbol.asyncDispose]: () => graph[Symbol.asyncDispose](),
    };
  }

  return {
    maps: base.maps,
    plain: model,
    model: exact?.model ?? model,
    known: new Map(exact ? [[pixelsTensor, exact.range]] : []),
    open: async (opened, threads) =>
      described(
        await openGraph(opened, { input: input.name, dims, dimensions: base.dimensions, threads }).catch(
          refused,
        ),
      ),
  };
}

/** [size,…] → [size] */
function averages(map: Float32Array, size: number): Float32Array {
  const places = map.length / size;
  return Float32Array.from({ length: size }, (_, d) => {
    let sum = 0;
    for (let p = 0; p < places; p++) sum += map[d * places + p]!;
    return sum / places;
  });
}

/** Shape of the features at the cut; undefined if it does not follow from their operator. */
export function featureDims(
  { graph }: OnnxModel,
  { tensor, size, pool }: BaseManifest['features'],
): (number | string)[] | undefined {
  if (pool === 'average') return ['N', size, 'height', 'width'];
  const made = graph && producers(graph);
  let maker = made?.get(tensor);
  while (maker?.opType === 'Cast') maker = made?.get(maker.input[0] ?? '');
  switch (maker?.opType) {
    case 'GlobalAveragePool':
      return ['N', size, 1, 1];
    case 'Flatten':
    case 'Gemm':
      return ['N', size];
    default:
      return undefined;
  }
}

/** The model with additional outputs. */
export function withOutputs(model: OnnxModel, tensors: Iterable<string>): OnnxModel {
  const graph = model.graph!;
  const known = new Set([...graph.output, ...graph.input].map(({ name }) => name));
  const more = [...tensors].filter((name) => !known.has(name)).map((name) => valueInfo(name, undefined));
  return changed(model, { graph: changed(graph, { output: [...graph.output, ...more] }) });
}
