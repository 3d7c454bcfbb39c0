/** Holding a base's graph against its manifest. Pure. */
import { QcError } from '../config/errors.ts';
import type { BaseManifest } from './manifest.ts';
import { valueInfo } from './onnx/build.ts';
import { appendAveragePool, cutAt } from './onnx/cut.ts';
import {
  describe,
  externalWeight,
  graphInputs,
  graphOutputs,
  producers,
  type TensorFacts,
} from './onnx/graph.ts';
import { changed, type OnnxGraph, type OnnxModel } from './onnx/proto.ts';

export interface Fit {
  /** The graph cut at its features; undefined where the file can be run as it is. */
  readonly cut: OnnxModel | undefined;
  readonly output: string;
  /** The map before pooling, an output too; undefined where it was not asked for, or there is none. */
  readonly map: string | undefined;
  /** Names of free dimensions and the sizes to fix them at. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Which of them is the number of pictures; undefined where the graph takes one at a time. */
  readonly batch: string | undefined;
}

/**
 * Holds a graph against its manifest and cuts it where the features are inside.
 * Throws `model-mismatch`, saying what was found; `file` is named in the message.
 */
export function fitGraph(
  file: string,
  manifest: BaseManifest,
  model: OnnxModel & { graph: OnnxGraph },
  maps = false,
): Fit {
  const { graph } = model;
  const mismatch = (found: string) =>
    new QcError('model-mismatch', `${file}: ${found}`, { remedy: 'correct the manifest beside it' });

  const outside = externalWeight(graph);
  if (outside) throw mismatch(`weight ${outside} lies in another file; save the model as one file`);
  const inputs = graphInputs(graph);
  const { input, features } = manifest;
  const fed = inputs.find(({ name }) => name === input.name);
  const shape = input.layout === 'NCHW' ? 'N,3,H,W' : 'N,H,W,3';
  const expectation = `${input.name} [${shape}] float32 with ${input.width}×${input.height} pixels`;
  if (!fed || inputs.length !== 1 || !takesImages(fed, manifest)) {
    throw mismatch(`the graph has inputs ${describe(inputs)}; the manifest says ${expectation}`);
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
  if (isOutput && features.pool === 'none' && graph.output.length === 1) {
    const outputs = graphOutputs(graph);
    if (!givesFeatures(outputs[0]!, features.size)) {
      throw mismatch(
        `the graph has outputs ${describe(outputs)}; the manifest says ${features.size} features, float32`,
      );
    }
    const map = maps ? pooledMap(graph, features.tensor) : undefined;
    const cut = map === undefined ? undefined : withOutput(model, map);
    return { cut, output: features.tensor, map, dimensions, batch };
  }
  let cut = cutAt(model, features.tensor);
  let output = features.tensor;
  if (features.pool === 'average') {
    output = `${features.tensor}/average`;
    cut = appendAveragePool(cut, output);
  }
  const map = maps
    ? features.pool === 'average'
      ? features.tensor
      : pooledMap(graph, features.tensor)
    : undefined;
  return { cut: map === undefined ? cut : withOutput(cut, map), output, map, dimensions, batch };
}

/** What is averaged to make a tensor, seen through reshaping alone; undefined where it is no average. */
function pooledMap(graph: OnnxGraph, tensor: string): string | undefined {
  const made = producers(graph);
  for (let name: string | undefined = tensor; name !== undefined; ) {
    const maker = made.get(name);
    if (maker?.opType === 'GlobalAveragePool') return maker.input[0];
    name = ['Flatten', 'Squeeze', 'Reshape', 'Identity'].includes(maker?.opType ?? '')
      ? maker!.input[0]
      : undefined;
  }
  return undefined;
}

const withOutput = (model: OnnxModel, tensor: string): OnnxModel =>
  changed(model, {
    graph: changed(model.graph!, { output: [...model.graph!.output, valueInfo(tensor, undefined)] }),
  });

function takesImages({ type, shape }: TensorFacts, { input }: BaseManifest): boolean {
  const { layout, width, height } = input;
  const wanted = layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3];
  if (type !== 'float32') return false;
  // A shape that the file does not give is proved by the warm-up.
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

/** Whether an output can be `size` float32 features of one picture: [N,size], [N,size,1,1] or not told. */
function givesFeatures({ type, shape }: TensorFacts, size: number): boolean {
  if (type !== 'float32') return false;
  const dims = shape?.slice(1) ?? [null];
  const known = dims.filter((dim) => typeof dim === 'number');
  return known.length < dims.length || known.reduce((product, dim) => product * dim, 1) === size;
}
