/** Finding feature maps in a graph: those of stages 2 and 3, and those that the features are pooled from. Pure. */
import { tensorDims } from './build.ts';
import { producers } from './graph.ts';
import { type OnnxGraph, type OnnxNode, toNumber } from './proto.ts';

/** Pixels of the input per cell. */
export type Stride = 8 | 16;

/** A tensor [N, channels, H/stride, W/stride]. */
export interface MapTensor {
  readonly tensor: string;
  readonly stride: Stride;
  readonly channels: number;
}

/** A run of features: what is left of each channel of a map. */
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
 * What a tensor of features is pooled from, in the order of the features, seen through reshaping and concatenation alone.
 * Undefined where anything else is part of it.
 */
export function poolsOf(graph: OnnxGraph, tensor: string): readonly Pool[] | undefined {
  const made = producers(graph);
  const seen = (name: string): readonly Pool[] | undefined => {
    const maker = made.get(name);
    const kind = poolKinds[maker?.opType ?? ''];
    if (kind) return [{ kind, tensor: maker!.input[0]! }];
    if (reshaping.has(maker?.opType ?? '')) return seen(maker!.input[0]!);
    if (maker?.opType !== 'Concat' || attribute(maker, 'axis') !== 1) return undefined;
    const parts = maker.input.map(seen);
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  };
  return seen(tensor);
}

/** Where the walk through the graph has come to. */
interface Place {
  /** Pixels of the input per cell. */
  readonly stride: number;
  readonly channels: number | undefined;
  /** Which dimension holds the channels: 1, or 3 where the graph works on [N,H,W,C]. */
  readonly axis: 1 | 3;
  /** Tensors that every way from the input to here leads through, in order, this one included. */
  readonly through: readonly string[];
}

/** Operators whose result has the shape of their first map. */
const keepsShape = new Set(
  (
    'Add BatchNormalization Cast Clip DequantizeLinear Div Dropout Elu Erf Gelu HardSigmoid HardSwish Identity ' +
    'InstanceNormalization LayerNormalization LeakyRelu LRN Mish Mul Pad Pow PRelu QuantizeLinear Relu Selu Sigmoid Softplus ' +
    'Sqrt Sub Sum Tanh'
  ).split(' '),
);

/**
 * The maps of stages 2 and 3 of a convolutional graph: at strides 8 and 16 the last tensor [N,C,H,W] that every way to the
 * deepest map leads through. In a residual network that is what a stage gives to the next one; tensors inside a block, which the
 * shortcut passes by, are none.
 * @param input its name, and whether channels come first
 * @returns both in this order, or none where the graph is no such network
 */
export function findMaps(
  graph: OnnxGraph,
  input: { readonly name: string; readonly layout: 'NCHW' | 'NHWC' },
): readonly MapTensor[] {
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
  const way = deepest?.through ?? [];
  const maps = ([8, 16] as const).flatMap((stride): MapTensor[] => {
    const tensor = way.findLast((name) => {
      const { stride: own, axis, channels } = places.get(name)!;
      return own === stride && axis === 1 && channels !== undefined;
    });
    return tensor === undefined ? [] : [{ tensor, stride, channels: places.get(tensor)!.channels! }];
  });
  return maps.length === 2 ? maps : [];
}

/** Weights may be made by nodes: as a constant, or cast from another type. */
function shapeOfWeight(
  one: OnnxNode,
  weights: ReadonlyMap<string, readonly number[]>,
): readonly number[] | undefined {
  const value = one.attribute.find(({ name }) => name === 'value')?.t;
  if (one.opType === 'Constant') return value && tensorDims(value);
  const passesOn = ['Cast', 'DequantizeLinear', 'Identity'].includes(one.opType ?? '');
  return passesOn ? weights.get(one.input[0]!) : undefined;
}

/** Of the result of an operator; undefined where it is no map. */
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

/** What all ways lead through, in order. */
function commonTo([first, ...others]: readonly Place[]): readonly string[] {
  const rest = others.map(({ through }) => new Set(through));
  return first!.through.filter((name) => rest.every((names) => names.has(name)));
}

function attributeList(one: OnnxNode, name: string): number[] {
  return (one.attribute.find((attribute) => attribute.name === name)?.ints ?? []).map(toNumber);
}

/** An integer, or the first of a list; undefined where the operator's default holds. */
function attribute(one: OnnxNode, name: string): number | undefined {
  const found = one.attribute.find((attribute) => attribute.name === name);
  if (!found) return undefined;
  return toNumber(found.ints[0] ?? found.i ?? 0);
}
