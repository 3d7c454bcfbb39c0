/** Finds feature maps in a graph: those of stages 2 and 3, and those that the features are pooled from. Pure. */
import { tensorDims } from './build.ts';
import { producers } from './graph.ts';
import { type OnnxGraph, type OnnxNode, toNumber } from './proto.ts';
import { integersOf } from './tensors.ts';

/** A tensor [N, channels, H/stride, W/stride]. */
export interface MapTensor {
  readonly tensor: string;
  /** Pixels of the input per cell: 8 is stage 2 of a convolutional network, 16 stage 3. */
  readonly stride: number;
  readonly channels: number;
}

/** Consecutive features, one pooled value for each channel of a map. */
export interface Pool {
  readonly kind: 'average' | 'maximum';
  /** The map, [N,C,H,W]. */
  readonly tensor: string;
}

const poolKinds: Readonly<Record<string, Pool['kind']>> = {
  GlobalAveragePool: 'average',
  GlobalMaxPool: 'maximum',
};
const reshaping = new Set(['Flatten', 'Squeeze', 'Reshape', 'Identity', 'Cast']);

/**
 * The maps that a tensor of features is pooled from, in the order of the features. Follows only reshaping and concatenation;
 * undefined if there are other operators in between.
 */
export function poolsOf(graph: OnnxGraph, tensor: string): readonly Pool[] | undefined {
  const made = producers(graph);
  const follow = (name: string): readonly Pool[] | undefined => {
    const maker = made.get(name);
    const kind = poolKinds[maker?.opType ?? ''];
    if (kind) return [{ kind, tensor: maker!.input[0]! }];
    if (maker && isSpatialMean(maker, graph)) return [{ kind: 'average', tensor: maker.input[0]! }];
    if (reshaping.has(maker?.opType ?? '')) return follow(maker!.input[0]!);
    if (maker?.opType !== 'Concat' || attribute(maker, 'axis') !== 1) return undefined;
    const parts = maker.input.map(follow);
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  };
  return follow(tensor);
}

/** A ReduceMean over height and width, as PyTorch's newer exporter writes a global average pool. */
function isSpatialMean(one: OnnxNode, graph: OnnxGraph): boolean {
  if (one.opType !== 'ReduceMean') return false;
  const given = graph.initializer.find(({ name }) => name === one.input[1]);
  // Since operator set 18 the axes are an input.
  const axes = given ? integersOf(given) : attributeList(one, 'axes');
  return ['2,3', '-2,-1'].includes([...axes].sort((a, b) => a - b).join());
}

/** A feature map in the graph. */
interface Place {
  /** Pixels of the input per cell. */
  readonly stride: number;
  readonly channels: number | undefined;
  /** Dimension of the channels: 1, or 3 if the graph works on [N,H,W,C]. */
  readonly axis: 1 | 3;
  /** Tensors that every path from the input to this one passes through, in order, including this one. */
  readonly through: readonly string[];
}

/** Operators whose result has the shape of their first input. */
const keepsShape = new Set(
  (
    'Add BatchNormalization Cast Clip DequantizeLinear Div Dropout Elu Erf Gelu HardSigmoid HardSwish Identity ' +
    'GroupNormalization InstanceNormalization LayerNormalization LeakyRelu LRN Max Min Mish Mul Neg Pad Pow PRelu QuantizeLinear Relu Selu Sigmoid Softplus ' +
    'Sqrt Sub Sum Tanh'
  ).split(' '),
);

/**
 * The maps of stages 2 and 3 of a convolutional graph: at strides 8 and 16 the last tensor [N,C,H,W] that every path to the
 * deepest map passes through. In a residual network this is the output of a stage; tensors inside a block are excluded, because
 * the shortcut bypasses them.
 * @returns both in this order, or an empty list if the graph is not such a network
 */
export function findMaps(graph: OnnxGraph, input: MapInput): readonly MapTensor[] {
  const { places, path } = pathOf(graph, input);
  const maps = ([8, 16] as const).flatMap((stride): MapTensor[] => {
    const tensor = path.findLast((name) => {
      const { stride: own, axis, channels } = places.get(name)!;
      return own === stride && axis === 1 && channels !== undefined;
    });
    return tensor === undefined ? [] : [{ tensor, stride, channels: places.get(tensor)!.channels! }];
  });
  return maps.length === 2 ? maps : [];
}

/** The deepest map of a convolutional graph; undefined if nothing in it reduces the size of the input. */
export function lastMap(
  graph: OnnxGraph,
  input: MapInput,
): (Pick<Place, 'axis' | 'stride'> & { readonly tensor: string }) | undefined {
  const { places, path } = pathOf(graph, input);
  const inChannelsFirst = path.findLast((name) => places.get(name)!.axis === 1);
  const last = path.at(-1);
  if (last === undefined) return undefined;
  const { stride } = places.get(last)!;
  if (stride < 2) return undefined;
  // Without the Transpose back to [N,H,W,C] at the end.
  const isSame = inChannelsFirst !== undefined && places.get(inChannelsFirst)!.stride === stride;
  const tensor = isSame ? inChannelsFirst : last;
  return { tensor, stride, axis: places.get(tensor)!.axis };
}

/** Name and layout of the input. */
interface MapInput {
  readonly name: string;
  readonly layout: 'NCHW' | 'NHWC';
}

/** All maps, and the tensors that every path to the deepest one passes through. */
function pathOf(graph: OnnxGraph, input: MapInput) {
  const weights = new Map<string, readonly number[]>(
    graph.initializer.map((tensor) => [tensor.name ?? '', tensorDims(tensor)]),
  );
  const places = new Map<string, Place>();
  places.set(input.name, {
    stride: 1,
    channels: 3,
    axis: input.layout === 'NCHW' ? 1 : 3,
    through: [input.name],
  });
  let deepest: Place | undefined;
  for (const one of graph.node) {
    const [name = ''] = one.output;
    const shape = shapeOfWeight(one, weights);
    if (shape) {
      weights.set(name, shape);
      continue;
    }
    const from = one.input.flatMap((tensor) => places.get(tensor) ?? []);
    const found = from.length > 0 ? after(one, from, weights) : undefined;
    if (!found) continue;
    const place = { ...found, through: [...commonTo(from), name] };
    places.set(name, place);
    if (!deepest || place.stride >= deepest.stride) deepest = place;
  }
  return { places: places as ReadonlyMap<string, Place>, path: deepest?.through ?? [] };
}

/** Weights may be computed by nodes: a constant, or a cast from another type. */
function shapeOfWeight(
  one: OnnxNode,
  weights: ReadonlyMap<string, readonly number[]>,
): readonly number[] | undefined {
  const value = one.attribute.find(({ name }) => name === 'value')?.t;
  if (one.opType === 'Constant') return value && tensorDims(value);
  const passesOn = ['Cast', 'DequantizeLinear', 'Identity'].includes(one.opType ?? '');
  return passesOn ? weights.get(one.input[0]!) : undefined;
}

/** The result of an operator; undefined if it is not a map. */
function after(
  one: OnnxNode,
  [first, ...others]: readonly Place[],
  weights: ReadonlyMap<string, readonly number[]>,
): Omit<Place, 'through'> | undefined {
  const { stride, channels, axis } = first!;
  switch (one.opType) {
    case 'Conv': {
      const step = attribute(one, 'strides') ?? 1;
      return { stride: stride * step, channels: weights.get(one.input[1]!)?.[0], axis };
    }
    case 'MaxPool':
    case 'AveragePool':
      return { stride: stride * (attribute(one, 'strides') ?? 1), channels, axis };
    case 'Concat': {
      const all = [first!, ...others];
      if (all.length !== one.input.length || all.some((other) => other.stride !== stride)) return undefined;
      if (attribute(one, 'axis') !== axis) return undefined;
      const sum = all.reduce((total, other) => total + (other.channels ?? Number.NaN), 0);
      return { stride, channels: Number.isNaN(sum) ? undefined : sum, axis };
    }
    case 'Transpose': {
      const order = attributeList(one, 'perm').join();
      if (order === '0,3,1,2' && axis === 3) return { stride, channels, axis: 1 };
      if (order === '0,2,3,1' && axis === 1) return { stride, channels, axis: 3 };
      return undefined;
    }
    case 'MatMul':
      return axis === 3 ? { stride, channels: weights.get(one.input[1]!)?.at(-1), axis } : undefined;
    default:
      return keepsShape.has(one.opType ?? '') ? { stride, channels, axis } : undefined;
  }
}

/** The tensors that all paths pass through, in order. */
function commonTo([first, ...others]: readonly Place[]): readonly string[] {
  const rest = others.map(({ through }) => new Set(through));
  return first!.through.filter((name) => rest.every((names) => names.has(name)));
}

/** A list of integers; empty if there is none. */
export function attributeList(one: OnnxNode, name: string): number[] {
  return (one.attribute.find((attribute) => attribute.name === name)?.ints ?? []).map(toNumber);
}

/** An integer, or the first of a list; undefined for the operator's default. */
function attribute(one: OnnxNode, name: string): number | undefined {
  const found = one.attribute.find((attribute) => attribute.name === name);
  if (!found) return undefined;
  return toNumber(found.ints[0] ?? found.i ?? 0);
}
