/**
 * Simplifies a float graph before quantization: weights in float32, no Identity or Dropout, batch normalisation folded into
 * the preceding convolution or converted to a convolution; factors and offsets of channels are folded as well.
 */
import { floatTensor, node, tensorDims } from '../build.ts';
import { graphInputs } from '../graph.ts';
import { changed, type OnnxGraph, type OnnxModel, type OnnxNode, type OnnxTensor } from '../proto.ts';
import { asFloat32, weightValues } from '../tensors.ts';

/** The result is equivalent except for rounding. Throws if the model has no graph. */
export function foldModel(model: OnnxModel): OnnxModel {
  if (!model.graph) throw new Error('the model has no graph');
  const folded = foldBatchNormalisation(withoutIdentities(withConstants(model.graph)));
  return changed(model, { graph: withoutUnused(folded) });
}

/** Replaces nodes that only produce or pass on a weight (Constant; Cast and Identity of a weight) by the weight. */
function withConstants(graph: OnnxGraph): OnnxGraph {
  const weights = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const constant = (one: OnnxNode): OnnxTensor | undefined => {
    const name = one.output[0]!;
    if (one.opType === 'Constant') {
      const value = one.attribute.find((attribute) => attribute.name === 'value')?.t;
      return value && { ...value, name };
    }
    const source = weights.get(one.input[0] ?? '');
    if (!source) return undefined;
    if (one.opType === 'Identity') return { ...source, name };
    const isToFloat = one.opType === 'Cast' && Number(one.attribute[0]?.i) === 1;
    return isToFloat ? asFloat32(source, name) : undefined;
  };
  const kept = graph.node.filter((one) => {
    const weight = constant(one);
    if (weight) weights.set(weight.name!, weight);
    return !weight;
  });
  return changed(graph, { node: kept, initializer: [...weights.values()] });
}

/** Removes Identity and Dropout, which do nothing in inference. */
function withoutIdentities(graph: OnnxGraph): OnnxGraph {
  const outputs = new Set(graph.output.map(({ name }) => name));
  const instead = new Map<string, string>();
  const resolve = (name: string): string => (instead.has(name) ? resolve(instead.get(name)!) : name);
  const isIdentity = (one: OnnxNode) => one.opType === 'Identity' || one.opType === 'Dropout';
  const kept = graph.node.filter((one) => {
    const [output = ''] = one.output;
    // The name of an output must not change.
    if (!isIdentity(one) || outputs.has(output)) return true;
    instead.set(output, one.input[0]!);
    return false;
  });
  return changed(graph, { node: kept.map((one) => ({ ...one, input: one.input.map(resolve) })) });
}

/** y = a·x + b for each channel. */
export interface Affine {
  readonly factor: Float32Array;
  readonly offset: Float32Array;
}

/** A BatchNormalization in inference (ONNX operator BatchNormalization-9 and later); undefined if its parameters are not constant. */
export function affineOf(one: OnnxNode, weights: ReadonlyMap<string, OnnxTensor>): Affine | undefined {
  const constants = one.input.slice(1, 5).map((name) => weights.get(name));
  if (constants.some((tensor) => !tensor)) return undefined;
  const [gamma, beta, mean, variance] = constants.map((tensor) => weightValues(tensor!));
  const epsilon = one.attribute.find(({ name }) => name === 'epsilon')?.f ?? 1e-5;
  const factor = gamma!.map((value, c) => value / Math.sqrt(variance![c]! + epsilon));
  return { factor, offset: beta!.map((value, c) => value - mean![c]! * factor[c]!) };
}

/** A factor or an offset for each channel, as tf2onnx writes batch normalisation; undefined for any other operator. */
function scalingOf(
  { opType, input }: OnnxNode,
  weights: ReadonlyMap<string, OnnxTensor>,
): { readonly affine: Affine; readonly from: string } | undefined {
  if (opType !== 'Mul' && opType !== 'Add') return undefined;
  const constant = input.map((name) => weights.get(name));
  const at = constant.findIndex((tensor) => tensor !== undefined);
  const from = input[1 - at];
  const dims = constant[at] ? tensorDims(constant[at]).slice(-3) : [];
  const [channels = 0, height, width] = dims;
  const isPerChannel = channels > 1 && height === 1 && width === 1;
  const isAlone = from !== undefined && !weights.has(from);
  if (!isPerChannel || !isAlone || tensorDims(constant[at]!).length > 4) return undefined;
  const values = weightValues(constant[at]!);
  if (values.length !== channels) return undefined;
  const none = new Float32Array(channels);
  const affine =
    opType === 'Mul' ? { factor: values, offset: none } : { factor: none.map(() => 1), offset: values };
  return { affine, from };
}

function foldBatchNormalisation(graph: OnnxGraph): OnnxGraph {
  const weights = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const readers = countReaders(graph);
  const inputs = new Set(graphInputs(graph).map(({ name }) => name));
  const nodes: OnnxNode[] = [];
  for (const one of graph.node) {
    const scaling = scalingOf(one, weights);
    const affine =
      scaling?.affine ?? (one.opType === 'BatchNormalization' ? affineOf(one, weights) : undefined);
    if (!affine) {
      nodes.push(one);
      continue;
    }
    const [input, output] = [scaling?.from ?? one.input[0]!, one.output[0]!];
    const at = nodes.findIndex((before) => before.output.includes(input));
    const before = nodes[at];
    if (before?.opType === 'Conv' && readers.get(input) === 1 && weights.has(before.input[1]!)) {
      nodes[at] = { ...before, input: withAffine(before, affine, weights), output: [output] };
    } else if (scaling) {
      nodes.push(one);
    } else if (inputs.has(input)) {
      // Padding zeros of the next convolution must be added after it, and the input is small: it is not changed.
      nodes.push(one);
    } else {
      nodes.push(ownConvolution(input, output, affine, weights));
    }
  }
  return changed(graph, { node: nodes, initializer: [...weights.values()] });
}

/** Inputs of a convolution with W·a and c·a + b, under new names, because another node may share the weights. */
function withAffine(conv: OnnxNode, { factor, offset }: Affine, weights: Map<string, OnnxTensor>): string[] {
  const kernel = weights.get(conv.input[1]!)!;
  const dims = tensorDims(kernel);
  const perChannel = dims.slice(1).reduce((product, dim) => product * dim, 1);
  const bias = conv.input[2] ? weights.get(conv.input[2]) : undefined;
  const old = bias ? weightValues(bias) : new Float32Array(dims[0]!);
  const values = weightValues(kernel).map((value, i) => value * factor[Math.floor(i / perChannel)]!);
  const offsets = old.map((value, c) => value * factor[c]! + offset[c]!);
  const [w, b] = [`${conv.output[0]}/weight`, `${conv.output[0]}/bias`];
  weights.set(w, floatTensor(w, dims, values));
  weights.set(b, floatTensor(b, [dims[0]!], offsets));
  return [conv.input[0]!, w, b];
}

/**
 * a·x + b as a depthwise convolution: int8 kernels exist for it, and with a scale per channel its only weight is exact.
 */
function ownConvolution(
  input: string,
  output: string,
  { factor, offset }: Affine,
  weights: Map<string, OnnxTensor>,
): OnnxNode {
  const channels = factor.length;
  const [w, b] = [`${output}/weight`, `${output}/bias`];
  weights.set(w, floatTensor(w, [channels, 1, 1, 1], factor));
  weights.set(b, floatTensor(b, [channels], offset));
  return node('Conv', [input, w, b], [output], { group: channels, kernel_shape: [1, 1] });
}

/** How many nodes and outputs read each tensor. */
export function countReaders(graph: OnnxGraph): Map<string, number> {
  const counts = new Map<string, number>();
  const read = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const one of graph.node) one.input.forEach(read);
  for (const { name } of graph.output) read(name ?? '');
  return counts;
}

/** Removes unused weights, and weights among the inputs (IR version 3 lists them there). */
function withoutUnused(graph: OnnxGraph): OnnxGraph {
  const readers = countReaders(graph);
  const inputs = new Set(graphInputs(graph).map(({ name }) => name));
  return changed(graph, {
    initializer: graph.initializer.filter(({ name }) => readers.has(name ?? '')),
    input: graph.input.filter(({ name }) => inputs.has(name ?? '')),
  });
}
