/**
 * The memory of good parts in head.onnx (models/good-memory.ts): `stage2` and `stage3` → familiarity and, in a head that knows good parts
 * only, `where`. In a head that classifies defects it limits the familiarity of the parts that the head calls good.
 */
import { type GoodMemory, type Projection, squareOf } from '../good-memory.ts';
import { buildModel, floatTensor, floatValues, node, shapeTensor, tensorDims, valueInfo } from './build.ts';
import { cutAt } from './cut.ts';
import {
  changed,
  encodeModel,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from './proto.ts';

interface MemoryGraph {
  readonly node: readonly OnnxNode[];
  readonly initializer: readonly OnnxTensor[];
  readonly input: readonly OnnxValueInfo[];
}

/** The memory in a head that classifies defects. */
export interface GoodParts {
  readonly memory: GoodMemory;
  /** By label of the head: whether it means a good part. */
  readonly good: readonly boolean[];
}

/**
 * The bytes of a head.onnx that was trained on good parts only. The probability of its only label is always 1; `familiarity`, 0.5 at
 * the limit, decides whether a part passes or is uncertain.
 */
export function encodeGoodMemory(memory: GoodMemory, label: string): Uint8Array {
  const graph = memoryGraph(memory, 'familiarity');
  const where = whereNodes(memory);
  return encodeModel(
    buildModel({
      name: 'good_memory',
      node: [
        ...graph.node,
        ...where.node,
        // Always 1, or NaN if the familiarity is NaN.
        node('Mul', ['familiarity', 'memory_zero'], ['nothing']),
        node('Add', ['nothing', 'one'], ['sure']),
        node('Reshape', ['sure', 'column'], ['probabilities']),
      ],
      initializer: [
        ...graph.initializer,
        ...where.initializer,
        floatTensor('one', [1], Float32Array.of(1)),
        shapeTensor('column', [-1, 1]),
      ],
      input: [...graph.input],
      output: [valueInfo('probabilities', ['N', 1]), valueInfo('familiarity', ['N']), whereOutput(memory)],
      metadata: { labels: JSON.stringify([label]) },
    }),
  );
}

/** Standard deviations of each place from the usual distance there. */
const whereOutput = ({ stage2 }: Pick<GoodMemory, 'stage2'>) =>
  valueInfo('where', ['N', stage2.height, stage2.width]);

/** Nodes that compute, under the name given, the familiarity [N]. */
function memoryGraph(memory: GoodMemory, familiarity: string): MemoryGraph {
  const { stage2, stage3, cells, usual, largest, limit } = memory;
  const size = cells[0]!.length;
  const { height, width } = stage2;
  const convolution = (name: string, { matrix, channels }: Projection) =>
    floatTensor(name, [matrix.length / channels, channels, 1, 1], matrix);
  const scalar = (name: string, value: number) => floatTensor(name, [1], Float32Array.of(value));
  const input = (name: string, { channels, ...map }: Projection) =>
    valueInfo(name, ['N', channels, map.height, map.width]);
  return {
    node: [
      node('Conv', ['stage2', 'memory_projection2'], ['memory_fine']),
      node('Conv', ['stage3', 'memory_projection3'], ['memory_coarse']),
      node('Resize', ['memory_coarse', '', 'memory_scales'], ['memory_placed'], {
        mode: 'linear',
        coordinate_transformation_mode: 'half_pixel',
      }),
      node('Concat', ['memory_fine', 'memory_placed'], ['memory_cells'], { axis: 1 }),
      // |a - m|² = |a|² + |m|² - 2a·m
      node('Conv', ['memory_cells', 'memory_twice', 'memory_squares'], ['memory_offsets']),
      node('ReduceMin', ['memory_offsets'], ['memory_offset'], { axes: [1], keepdims: 1 }),
      node('ReduceSumSquare', ['memory_cells'], ['memory_squared'], { axes: [1], keepdims: 1 }),
      node('Add', ['memory_offset', 'memory_squared'], ['memory_rounded']),
      node('Max', ['memory_rounded', 'memory_zero'], ['memory_distance_squared']),
      node('Sqrt', ['memory_distance_squared'], ['memory_distance']),
      node('Div', ['memory_distance', 'memory_usual'], ['memory_ratio']),
      node('Flatten', ['memory_ratio'], ['memory_ratios']),
      node('ReduceMean', ['memory_ratios'], ['memory_mean'], { axes: [1], keepdims: 0 }),
      node('TopK', ['memory_ratios', 'memory_largest'], ['memory_tops', 'memory_top_places'], { axis: 1 }),
      node('ReduceMean', ['memory_tops'], ['memory_top'], { axes: [1], keepdims: 0 }),
      ...(['memory_mean', 'memory_top'] as const).flatMap((name) => [
        node('Sub', [name, `${name}_mean`], [`${name}_over`]),
        node('Div', [`${name}_over`, `${name}_deviation`], [`${name}_score`]),
      ]),
      node('Max', ['memory_mean_score', 'memory_top_score'], ['memory_score']),
      node('Sub', ['memory_limit', 'memory_score'], ['memory_below']),
      node('Sigmoid', ['memory_below'], [familiarity]),
    ],
    initializer: [
      convolution('memory_projection2', stage2),
      convolution('memory_projection3', stage3),
      floatTensor('memory_scales', [4], Float32Array.of(1, 1, height / stage3.height, width / stage3.width)),
      floatTensor('memory_twice', [cells.length, size, 1, 1], twice(cells)),
      floatTensor('memory_squares', [cells.length], Float32Array.from(cells, squareOf)),
      floatTensor('memory_usual', [1, 1, height, width], usual),
      shapeTensor('memory_largest', [largest]),
      scalar('memory_mean_mean', memory.mean.mean),
      scalar('memory_mean_deviation', memory.mean.deviation),
      scalar('memory_top_mean', memory.top.mean),
      scalar('memory_top_deviation', memory.top.deviation),
      scalar('memory_limit', limit),
      scalar('memory_zero', 0),
    ],
    input: [input('stage2', stage2), input('stage3', stage3)],
  };
}

/** Nodes that compute `where` [N,H,W] after those of `memoryGraph`. */
function whereNodes({ stage2: { height, width }, spread }: GoodMemory) {
  return {
    node: [
      node('Sub', ['memory_distance', 'memory_usual'], ['memory_over']),
      node('Div', ['memory_over', 'memory_spread'], ['memory_where']),
      node('Reshape', ['memory_where', 'memory_grid'], ['where']),
    ],
    initializer: [
      floatTensor('memory_spread', [1, 1, height, width], spread),
      shapeTensor('memory_grid', [0, height, width]),
    ],
  };
}

/** The familiarity by the labelled parts alone, in a head with `goodPartsGraph`. */
export const familiarityOfLabels = 'familiarity_of_labels';

/**
 * Nodes that compute `familiarity` [N] from `familiarityOfLabels` [N] and `probabilities` [N,K]: of both familiarities the lower one if
 * the head calls the part good, otherwise that of the labels.
 */
export function goodPartsGraph({ memory, good }: GoodParts): MemoryGraph {
  const graph = memoryGraph(memory, 'familiarity_of_good');
  return {
    ...graph,
    node: [
      ...graph.node,
      node('MatMul', ['probabilities', 'good_labels'], ['good_probability']),
      node('ReduceSum', ['good_probability', 'label_axis'], ['good_sum'], { keepdims: 0 }),
      node('Less', ['good_sum', 'half'], ['is_defect']),
      node('Min', [familiarityOfLabels, 'familiarity_of_good'], ['familiarity_of_both']),
      // A NaN is not less: then the lower familiarity counts.
      node('Where', ['is_defect', familiarityOfLabels, 'familiarity_of_both'], ['familiarity']),
    ],
    initializer: [
      ...graph.initializer,
      floatTensor('good_labels', [good.length, 1], Float32Array.from(good, Number)),
      shapeTensor('label_axis', [1]),
      floatTensor('half', [1], Float32Array.of(0.5)),
    ],
  };
}

/** The memory of a head with `goodPartsGraph`; undefined for any other. */
export function readGoodParts(model: OnnxModel): GoodParts | undefined {
  const good = model.graph?.initializer.find(({ name }) => name === 'good_labels');
  const memory = good && readMemory(model);
  return memory && { memory, good: Array.from(floatValues(good), (value) => value === 1) };
}

/** A head without its memory of good parts, which must not be one that knows good parts only; unchanged if it has none. */
export function withoutGoodParts(model: OnnxModel): OnnxModel {
  const { graph } = model;
  if (!graph?.initializer.some(({ name }) => name === 'good_labels')) return model;
  const last = graph.node.filter(({ output }) => output[0] !== 'familiarity');
  const node = last.map((one) =>
    one.output[0] === familiarityOfLabels ? changed(one, { output: ['familiarity'] }) : one,
  );
  const [first, ...others] = graph.output.map(({ name = '' }) => name);
  const cut = cutAt(changed(model, { graph: changed(graph, { node }) }), first!, undefined, others);
  return changed(cut, { graph: changed(cut.graph!, { output: graph.output }) });
}

/** [M][2·P] → -2 of each, [M,2·P] */
function twice(cells: readonly Float32Array[]): Float32Array {
  const size = cells[0]!.length;
  const values = new Float32Array(cells.length * size);
  cells.forEach((cell, m) => {
    for (let k = 0; k < size; k++) values[m * size + k] = -2 * cell[k]!;
  });
  return values;
}

/** The memory of a head that knows good parts only; undefined for any other. */
export function readGoodMemory(model: OnnxModel): GoodMemory | undefined {
  const isOne = model.graph?.initializer.some(({ name }) => name === 'memory_grid');
  return isOne ? readMemory(model) : undefined;
}

function readMemory({ graph }: OnnxModel): GoodMemory | undefined {
  const tensors = new Map(graph?.initializer.map((tensor) => [tensor.name, tensor]));
  const named = (name: string) => tensors.get(`memory_${name}`);
  const [projection2, projection3, scales, doubled, usual, largest] = [
    named('projection2'),
    named('projection3'),
    named('scales'),
    named('twice'),
    named('usual'),
    named('largest'),
  ];
  if (!projection2 || !projection3 || !scales || !doubled || !usual || !largest) return undefined;
  const spread = named('spread');
  const scalar = (name: string) => {
    const tensor = named(name);
    return tensor ? floatValues(tensor)[0]! : Number.NaN;
  };
  const normal = (name: string) => ({ mean: scalar(`${name}_mean`), deviation: scalar(`${name}_deviation`) });
  const [height = 0, width = 0] = tensorDims(usual).slice(2);
  const [down = 1, across = 1] = floatValues(scales).subarray(2);
  const projection = (tensor: OnnxTensor, map: { readonly height: number; readonly width: number }) => ({
    channels: tensorDims(tensor)[1]!,
    ...map,
    matrix: floatValues(tensor),
  });
  const values = floatValues(doubled).map((value) => value / -2);
  const [count = 0, size = 0] = tensorDims(doubled);
  return {
    stage2: projection(projection2, { height, width }),
    stage3: projection(projection3, {
      height: Math.round(height / down),
      width: Math.round(width / across),
    }),
    cells: Array.from({ length: count }, (_, m) => values.subarray(m * size, (m + 1) * size)),
    usual: floatValues(usual),
    // Only for `where`.
    spread: spread ? floatValues(spread) : new Float32Array(height * width).fill(1),
    largest: new DataView(Uint8Array.from(largest.rawData ?? []).buffer).getInt32(0, true),
    mean: normal('mean'),
    top: normal('top'),
    limit: scalar('limit'),
  };
}
