/** Compares a base's graph with its manifest and adapts it so that it can be run. Pure. */
import { QcError } from '../../config/errors.ts';
import type { BaseManifest } from '../manifest.ts';
import { computesInFloat16, withFloatInput, withFloatOutput, withFreeBatch } from './adapt.ts';
import { valueInfo } from './build.ts';
import { appendAveragePool, cutAt } from './cut.ts';
import { describe, graphInputs, graphOutputs, type TensorFacts } from './graph.ts';
import { findMaps, type MapTensor, type Pool, poolsOf } from './maps.ts';
import { changed, type OnnxGraph, type OnnxModel } from './proto.ts';

export interface Fit {
  /** The graph, cut at its features or adapted; undefined if the file can be run unchanged. */
  readonly cut: OnnxModel | undefined;
  readonly output: string;
  /** Names of the extra outputs, in the order of the request. */
  readonly extraOutputs: readonly string[];
  /** Maps of stages 2 and 3, from the manifest or found in the graph; empty if there are none. */
  readonly maps: readonly MapTensor[];
  /** The maps that the features are pooled from; undefined if they are not pooled. */
  readonly pools: readonly Pool[] | undefined;
  /** Names of free dimensions and the sizes to fix them at. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Which of them is the batch dimension; undefined if the graph takes one image at a time. */
  readonly batch: string | undefined;
}

/** Outputs in addition to the features: the maps of stages 2 and 3, or those that the features are pooled from. */
export type ExtraOutputs = 'maps' | 'pooled';

/**
 * The graph adapted to float32 images and any batch size. Throws `model-mismatch` with the remedy if that is impossible;
 * `file` is named in the message.
 */
export function fedGraph(
  file: string,
  { input }: Pick<BaseManifest, 'input'>,
  model: OnnxModel & { graph: OnnxGraph },
): OnnxModel & { graph: OnnxGraph } {
  const fed = graphInputs(model.graph).find(({ name }) => name === input.name);
  if (!fed) return model;
  if (fed.type === 'uint8' && !(input.scale === 1 && isAll(input.mean, 0) && isAll(input.std, 1))) {
    throw new QcError('model-mismatch', `${file}: ${describe([fed])} takes unscaled pixels, from 0 to 255`, {
      remedy: 'set in the manifest input.scale to 1, input.mean to [0, 0, 0] and input.std to [1, 1, 1]',
    });
  }
  let ready: OnnxModel = withFloatInput(model, input.name);
  const [batch] = fed.shape ?? [];
  if (fed.shape?.length === 4 && typeof batch === 'number' && batch > 1) {
    const free = withFreeBatch(ready, input.name, batch);
    if (!free) {
      throw new QcError('model-mismatch', `${file}: the graph takes exactly ${batch} images at a time`, {
        remedy: `export it for one image, or with a free first dimension (torch.onnx.export: dynamic_axes={'${input.name}': {0: 'N'}}, or dynamic_shapes)`,
      });
    }
    ready = free;
  }
  return ready as OnnxModel & { graph: OnnxGraph };
}

const isAll = (values: readonly number[], wanted: number) => values.every((value) => value === wanted);

/**
 * Compares a graph with its manifest, adapts it, and cuts it at the features.
 * Throws `model-mismatch` with what was found; `file` is named in the message.
 */
export function fitGraph(
  file: string,
  manifest: BaseManifest,
  model: OnnxModel & { graph: OnnxGraph },
  wanted?: ExtraOutputs,
): Fit {
  const mismatch = (found: string, remedy = 'correct the manifest next to it') =>
    new QcError('model-mismatch', `${file}: ${found}`, { remedy });
  const ready = fedGraph(file, manifest, model);
  const { graph } = ready;
  const inputs = graphInputs(graph);
  const { input, features } = manifest;
  const fed = inputs.find(({ name }) => name === input.name);
  const shape = input.layout === 'NCHW' ? 'N,3,H,W' : 'N,H,W,3';
  const expectation = `${input.name} [${shape}] float32 with ${input.width}×${input.height} pixels`;
  if (!fed || inputs.length !== 1 || !takesImages(fed, manifest)) {
    throw mismatch(
      `the graph has inputs ${describe(inputs)}; the manifest says ${expectation}`,
      inputRemedy(inputs, manifest),
    );
  }
  const dimensions = freeDimensions(fed, manifest);
  const [first] = fed.shape ?? [];
  const batch = typeof first === 'string' ? first : undefined;

  const isOutput = graph.output.some(({ name }) => name === features.tensor);
  const made = isOutput || graph.node.some(({ output }) => output.includes(features.tensor));
  if (!made) {
    const outputs = describe(graphOutputs(graph));
    throw mismatch(
      `the graph has outputs ${outputs} and no tensor "${features.tensor}", which the manifest says`,
    );
  }
  const pools: readonly Pool[] | undefined =
    features.pool === 'average'
      ? [{ kind: 'average', tensor: features.tensor }]
      : poolsOf(graph, features.tensor);
  const maps = manifest.maps ?? findMaps(graph, input);
  const absent = maps.find(({ tensor }) => !graph.node.some(({ output }) => output.includes(tensor)));
  if (absent) {
    throw mismatch(`the graph has no tensor "${absent.tensor}", which the manifest names as a map`);
  }
  const extra = new Set((wanted === 'maps' ? maps : wanted === 'pooled' ? (pools ?? []) : []).map(nameOf));
  const isHalf = computesInFloat16(graph);
  const extraOutputs = [...extra].map((tensor) => (isHalf ? inFloat(tensor) : tensor));
  const common = { extraOutputs, maps, pools, dimensions, batch };
  if (isOutput && features.pool === 'none' && graph.output.length === 1) {
    const outputs = graphOutputs(graph);
    if (!givesFeatures(outputs[0]!, features.size)) {
      throw mismatch(
        `the graph has outputs ${describe(outputs)}; the manifest says ${features.size} features, float32`,
      );
    }
    if (outputs[0]!.type === 'float32') {
      const isAsItIs = ready === model && extra.size === 0;
      const cut = isAsItIs ? undefined : withOutputs(ready, extra, isHalf);
      return { cut, output: features.tensor, ...common };
    }
  }
  let cut = cutAt(ready, features.tensor, undefined, [...extra]);
  let output = features.tensor;
  if (isHalf) {
    output = inFloat(output);
    cut = withFloatOutput(cut, features.tensor, output);
  }
  const isCast = isHalf ? features.tensor : undefined;
  if (features.pool === 'average') {
    cut = appendAveragePool(cut, `${features.tensor}/average`);
    output = `${features.tensor}/average`;
  }
  return { cut: withOutputs(cut, extra, isHalf, isCast), output, ...common };
}

/** What to change so that the graph accepts images. */
function inputRemedy(inputs: readonly TensorFacts[], { input }: BaseManifest): string {
  const [only] = inputs;
  if (!only || inputs.length !== 1) return 'export the model with one input, the image';
  const { name, type, shape } = only;
  if (!['float32', 'float16', 'uint8'].includes(type))
    return `export it with a float32 input: ${type} is not supported`;
  if (shape && shape.length !== 4)
    return 'export it for a batch of images: the input needs four dimensions, [N,3,H,W]';
  if (name !== input.name) return `set input.name in the manifest to "${name}"`;
  const channelsLast = shape?.[3] === 3 && shape[1] !== 3;
  const layout = channelsLast ? 'NHWC' : 'NCHW';
  if (shape && layout !== input.layout) return `set input.layout in the manifest to ${layout}`;
  const [height, width] = shape?.slice(channelsLast ? 1 : 2) ?? [];
  if (typeof height === 'number' && typeof width === 'number') {
    return `set input.width to ${width} and input.height to ${height} in the manifest`;
  }
  return 'correct the manifest next to it';
}

const nameOf = ({ tensor }: { readonly tensor: string }) => tensor;
const inFloat = (tensor: string) => `${tensor}/float32`;

/** @param cast a tensor that is already cast to float32 */
function withOutputs(model: OnnxModel, tensors: Iterable<string>, isHalf: boolean, cast?: string): OnnxModel {
  return [...tensors].reduce((made, tensor) => {
    if (!isHalf) return withOutput(made, tensor);
    return tensor === cast
      ? withOutput(made, inFloat(tensor))
      : withFloatOutput(made, tensor, inFloat(tensor));
  }, model);
}

const withOutput = (model: OnnxModel, tensor: string): OnnxModel =>
  changed(model, {
    graph: changed(model.graph!, { output: [...model.graph!.output, valueInfo(tensor, undefined)] }),
  });

function takesImages({ type, shape }: TensorFacts, { input }: BaseManifest): boolean {
  const { layout, width, height } = input;
  const wanted = layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3];
  if (type !== 'float32') return false;
  // If the file has no shape, the warm-up verifies it.
  return (
    shape === undefined ||
    (shape.length === 4 && shape.every((dim, i) => typeof dim !== 'number' || dim === wanted[i]))
  );
}

function freeDimensions({ shape }: TensorFacts, { input }: BaseManifest): Record<string, number> {
  const { layout, width, height } = input;
  const sizes = layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3];
  const free: Record<string, number> = {};
  shape?.forEach((dim, i) => {
    if (typeof dim === 'string') free[dim] = sizes[i]!;
  });
  return free;
}

/** Whether an output can be `size` features of one image: [N,size], [N,size,1,1] or unknown. */
function givesFeatures({ type, shape }: TensorFacts, size: number): boolean {
  if (type !== 'float32' && type !== 'float16') return false;
  const dims = shape?.slice(1) ?? [null];
  const known = dims.filter((dim) => typeof dim === 'number');
  return known.length < dims.length || known.reduce((product, dim) => product * dim, 1) === size;
}
