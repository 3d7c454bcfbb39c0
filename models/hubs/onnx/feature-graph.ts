/** A graph cut at its features, with maps named; sizes are those of a run. */
import { QcError } from '../../../config/errors.ts';
import type { BaseInput, BaseManifest } from '../../manifest.ts';
import { node, valueInfo } from '../../onnx/build.ts';
import { cutAt } from '../../onnx/cut.ts';
import { findMaps } from '../../onnx/maps.ts';
import { changed, type OnnxGraph, type OnnxModel, type OnnxNode, type OnnxTensor } from '../../onnx/proto.ts';
import { makePrepare } from '../../prepare/prepare.ts';
import { openGraph } from '../../run/session-graph.ts';
import { checkImage } from '../../run/warm-up-check.ts';
import type { FoundFeatures } from './features.ts';
import { gridOf, residualSums, type TokenGrid, tokenGraph } from './transformer.ts';

type Whole = OnnxModel & { graph: OnnxGraph };

export interface FeatureGraph {
  readonly model: OnnxModel;
  /** The output, [N,size]. */
  readonly tensor: string;
  readonly size: number;
  readonly maps: NonNullable<BaseManifest['maps']>;
  /** For people: how the features are computed from a tensor of the file. */
  readonly from: string;
}

/** @throws QcError model-mismatch, model-unsupported if onnxruntime cannot run the graph */
export async function featureGraph(
  path: string,
  model: Whole,
  input: BaseInput,
  found: FoundFeatures,
): Promise<FeatureGraph> {
  const { tensor, patch } = found;
  if (!model.graph.node.some(({ output }) => output.includes(tensor)))
    throw new QcError('model-mismatch', `${path}: no operator of the graph computes "${tensor}"`, {
      remedy: 'name another tensor: --features TENSOR',
    });
  const sums = patch === undefined ? [] : residualSums(model.graph, input.name, tensor);
  const shapes = await shapesOf(path, model, input, [tensor, ...sums]);
  const shape = shapes.get(tensor)!;
  if (found.stages) return fromStages(path, model, input, found.stages);
  if (shape.length === 3 && patch !== undefined) {
    const like = sums.filter((name) => shapes.get(name)!.join() === shape.join());
    const middle = like[Math.floor(like.length / 2)] ?? tensor;
    return fromTokens(path, model, input, { tensor, middle, patch, count: shape[1]!, channels: shape[2]! });
  }
  if (shape.length === 2 || shape.length === 4) return fromMap(path, model, input, found, shape);
  throw new QcError(
    'model-mismatch',
    `${path}: "${tensor}" has the shape [${shape}], which is neither features [N,C], a map [N,C,H,W] nor tokens [N,T,C]`,
    { remedy: 'name another tensor: --features TENSOR' },
  );
}

async function fromMap(
  path: string,
  model: Whole,
  input: BaseInput,
  { tensor, isChannelsLast }: FoundFeatures,
  shape: readonly number[],
): Promise<FeatureGraph> {
  const name = unusedNames(model.graph);
  const cut = cutAt(model, tensor);
  const isPooled = shape.slice(2).every((side) => side === 1);
  const size = shape[isChannelsLast ? 3 : 1]!;
  const nodes: OnnxNode[] = [];
  const add = (operator: string, from: string, wanted: string, attributes = {}) => {
    const output = name(wanted);
    nodes.push(node(operator, [from], [output], attributes));
    return output;
  };
  let last = tensor;
  if (isChannelsLast) last = add('Transpose', last, 'channels first', { perm: [0, 3, 1, 2] });
  if (!isPooled) last = add('GlobalAveragePool', last, 'average');
  if (shape.length === 4) last = add('Flatten', last, 'features', { axis: 1 });
  const ready = withEnd(cut, nodes, [], last, size);
  const from = isPooled ? tensor : `the average of ${tensor}`;
  return { model: ready, tensor: last, size, maps: await mapsIn(path, ready as Whole, input, last), from };
}

/** Average and maximum of each of the maps. */
async function fromStages(
  path: string,
  model: Whole,
  input: BaseInput,
  stages: readonly string[],
): Promise<FeatureGraph> {
  const name = unusedNames(model.graph);
  const nodes: OnnxNode[] = stages.flatMap((stage) =>
    ['GlobalAveragePool', 'GlobalMaxPool'].map((pool) => node(pool, [stage], [name(`${stage}/${pool}`)])),
  );
  const pooled = nodes.map(({ output }) => output[0]!);
  const [joined, features] = [name('pooled'), name('features')];
  nodes.push(node('Concat', pooled, [joined], { axis: 1 }));
  nodes.push(node('Flatten', [joined], [features], { axis: 1 }));
  const [first, ...others] = stages;
  const cut = cutAt(model, first!, undefined, others);
  const shapes = await shapesOf(path, model, input, stages);
  const size = 2 * stages.reduce((sum, stage) => sum + shapes.get(stage)![1]!, 0);
  const ready = withEnd(cut, nodes, [], features, size);
  const maps = await mapsIn(path, ready as Whole, input, features);
  return { model: ready, tensor: features, size, maps, from: 'average and maximum of stages 2 and 3' };
}

/** The maps of stages 2 and 3, if they have the sizes that models/base.ts expects. */
async function mapsIn(
  path: string,
  model: Whole,
  input: BaseInput,
  features: string,
): Promise<FeatureGraph['maps']> {
  const maps = findMaps(model.graph, input);
  const shapes = await shapesOf(path, model, input, [features, ...maps.map(({ tensor }) => tensor)]);
  // The padding of Keras loses a row for odd sizes.
  const fits = maps.every(({ tensor, stride, channels }) => {
    const wanted = [1, channels, Math.ceil(input.height / stride), Math.ceil(input.width / stride)];
    return shapes.get(tensor)!.join() === wanted.join();
  });
  return fits ? [...maps] : [];
}

interface Tokens extends Pick<TokenGrid, 'middle' | 'channels'> {
  readonly tensor: string;
  readonly patch: number;
  readonly count: number;
}

async function fromTokens(
  path: string,
  model: Whole,
  input: BaseInput,
  { tensor, middle, channels, patch, count }: Tokens,
): Promise<FeatureGraph> {
  const grid = gridOf(count, input, patch);
  if (!grid)
    throw new QcError(
      'model-mismatch',
      `${path}: "${tensor}" has ${count} tokens, which patches of ${patch}×${patch} pixels do not explain`,
      { remedy: 'name a tensor [N,C] or [N,C,H,W]: --features TENSOR' },
    );
  const name = unusedNames(model.graph);
  const { nodes, weights, features, stage2, stage3 } = tokenGraph(
    { tokens: tensor, middle, channels, ...grid },
    name,
  );
  const cut = cutAt(model, tensor, undefined, [middle]);
  const ready = withEnd(cut, nodes, weights, features, channels);
  await shapesOf(path, ready as Whole, input, [features, stage2, stage3]);
  const isWhole = input.width % patch === 0 && input.height % patch === 0 && patch % 2 === 0;
  const maps = [
    { tensor: stage2, stride: patch / 2, channels: 2 * channels },
    { tensor: stage3, stride: patch, channels: 2 * channels },
  ];
  const pooled = grid.before > 0 ? 'the class token' : 'the mean of the patches';
  return {
    model: ready,
    tensor: features,
    size: channels,
    maps: isWhole ? maps : [],
    from: `${pooled} of ${tensor}`,
  };
}

function withEnd(
  cut: OnnxModel,
  nodes: readonly OnnxNode[],
  weights: readonly OnnxTensor[],
  features: string,
  size: number,
): OnnxModel {
  const graph = cut.graph!;
  return changed(cut, {
    graph: changed(graph, {
      node: [...graph.node, ...nodes],
      initializer: [...graph.initializer, ...weights],
      output: [valueInfo(features, ['N', size])],
    }),
  });
}

/** Makes names that are not used in the graph. */
function unusedNames({ node: nodes, initializer, input }: OnnxGraph): (wanted: string) => string {
  const taken = new Set([
    ...nodes.flatMap(({ output }) => output),
    ...[...initializer, ...input].map(({ name }) => name ?? ''),
  ]);
  return (wanted) => {
    let name = wanted;
    while (taken.has(name)) name = `${name}_`;
    taken.add(name);
    return name;
  };
}

/** Shapes of tensors for one image. @throws QcError model-unsupported with the message of onnxruntime */
async function shapesOf(
  path: string,
  model: Whole,
  input: BaseInput,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, readonly number[]>> {
  const [first, ...others] = wanted;
  const cut = cutAt(model, first!, undefined, others);
  const output = wanted.map((name) => valueInfo(name, undefined));
  const { width, height, name } = input;
  try {
    await using graph = await openGraph(changed(cut, { graph: changed(cut.graph!, { output }) }), {
      input: name,
      dims: [1, 3, height, width],
      dimensions: { N: 1 },
      threads: 0,
    });
    return await graph.shapes(makePrepare(input)(checkImage(width, height)), wanted);
  } catch (cause) {
    const [reason] = (cause as Error).message.trim().split('\n');
    throw new QcError('model-unsupported', `onnxruntime cannot run ${path}: ${reason}`, { cause });
  }
}
