/**
 * Gradients of a graph as ordinary ONNX nodes (operator set 13), because onnxruntime has no training any more. A gradient of a tensor
 * has the shape of the tensor. Shapes are known and fixed, including the batch.
 *
 *   Conv        input: MatMul with the transposed weights for 1×1, otherwise ConvTranspose with the same weights;
 *               weights: MatMul of the output's gradient with the input's cells, shifted to each place of the kernel
 *   Relu, Clip  masks; GlobalMaxPool: shared equally by the places with the maximum
 */
import { floatTensor, node, shapeTensor } from './build.ts';
import { attributeList } from './maps.ts';
import { dataType, type OnnxNode, type OnnxTensor, toNumber } from './proto.ts';

export interface Backward {
  readonly node: readonly OnnxNode[];
  readonly initializer: readonly OnnxTensor[];
  /** The tensor with the gradient of each parameter. */
  readonly gradients: ReadonlyMap<string, string>;
}

export interface BackwardOptions {
  /** In topological order. */
  readonly nodes: readonly OnnxNode[];
  /** Of all tensors that the nodes read and compute, including weights. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly parameters: readonly string[];
  /** The tensor that is differentiated, and the tensor with the gradient of the loss with respect to it. */
  readonly from: { readonly tensor: string; readonly gradient: string };
}

/** @throws Error that names an operator without a gradient */
export function backward({ nodes, shapes, parameters, from }: BackwardOptions): Backward {
  const wanted = new Set(parameters);
  for (const { input, output } of nodes)
    if (input.some((name) => wanted.has(name))) for (const name of output) wanted.add(name);

  const made: OnnxNode[] = [];
  const initializer: OnnxTensor[] = [];
  const parts = new Map<string, string[]>([[from.tensor, [from.gradient]]]);
  let count = 0;
  const context: Context = {
    shape: (name) => {
      const shape = shapes.get(name);
      if (!shape) throw new Error(`the shape of "${name}" is not known`);
      return shape;
    },
    emit: (opType, input, attributes = {}) => {
      const output = `gradient_${count++}`;
      made.push(node(opType, input, [output], attributes));
      return output;
    },
    integers: (values) => {
      const name = `gradient_shape_${count++}`;
      initializer.push(shapeTensor(name, values));
      return name;
    },
    scalar: (value) => {
      const name = `gradient_scalar_${count++}`;
      initializer.push(floatTensor(name, [1], Float32Array.of(value)));
      return name;
    },
    isWanted: (name) => wanted.has(name),
  };
  /** The sum over all readers of the tensor. */
  const total = (name: string): string | undefined => {
    const all = parts.get(name) ?? [];
    const [first, ...others] = all;
    return first && others.reduce((sum, other) => context.emit('Add', [sum, other]), first);
  };
  for (const one of nodes.toReversed()) {
    if (!one.output.some((name) => wanted.has(name))) continue;
    const gradient = total(one.output[0]!);
    if (gradient === undefined) continue;
    const rule = rules[one.opType ?? ''];
    if (!rule) throw new Error(`the operator ${one.opType} (${one.output[0]}) has no gradient`);
    for (const [input, part] of rule(one, gradient, context))
      if (wanted.has(input)) parts.set(input, [...(parts.get(input) ?? []), part]);
  }
  const gradients = new Map(
    parameters.flatMap((name) => {
      const gradient = total(name);
      return gradient === undefined ? [] : [[name, gradient] as const];
    }),
  );
  return { node: made, initializer, gradients };
}

interface Context {
  shape(name: string): readonly number[];
  /** Adds a node and returns the name of its output. */
  emit(opType: string, input: readonly string[], attributes?: Parameters<typeof node>[3]): string;
  integers(values: readonly number[]): string;
  scalar(value: number): string;
  isWanted(name: string): boolean;
}

/** @returns gradients of the inputs */
type Rule = (one: OnnxNode, gradient: string, context: Context) => Iterable<readonly [string, string]>;

const sameAsOutput: Rule = ({ input }, gradient) => [[input[0]!, gradient]];

const reshaped: Rule = ({ input }, gradient, { emit, integers, shape }) => [
  [input[0]!, emit('Reshape', [gradient, integers(shape(input[0]!))])],
];

const masked = (gradient: string, mask: string, { emit }: Context) =>
  emit('Mul', [gradient, emit('Cast', [mask], { to: dataType.float32 })]);

const rules: Readonly<Record<string, Rule>> = {
  Identity: sameAsOutput,
  Flatten: reshaped,
  Reshape: reshaped,
  Squeeze: reshaped,
  Conv: convolution,
  Add({ input, output }, gradient, context) {
    const shape = context.shape(output[0]!).join();
    const other = input.find((name) => context.isWanted(name) && context.shape(name).join() !== shape);
    if (other) throw new Error(`the operator Add (${output[0]}) repeats an input, which has no gradient`);
    return input.map((name) => [name, gradient] as const);
  },
  Relu({ input, output }, gradient, context) {
    return [[input[0]!, masked(gradient, context.emit('Greater', [output[0]!, context.scalar(0)]), context)]];
  },
  Clip({ input, output }, gradient, context) {
    // Where the value was changed, the gradient is 0.
    return [[input[0]!, masked(gradient, context.emit('Equal', [input[0]!, output[0]!]), context)]];
  },
  GlobalAveragePool({ input }, gradient, { emit, integers, scalar, shape }) {
    const dims = shape(input[0]!);
    const share = emit('Mul', [gradient, scalar(1 / (dims[2]! * dims[3]!))]);
    return [[input[0]!, emit('Expand', [share, integers(dims)])]];
  },
  GlobalMaxPool({ input, output }, gradient, { emit, integers }) {
    const isLargest = emit('Cast', [emit('Equal', [input[0]!, output[0]!])], { to: dataType.float32 });
    const ties = emit('ReduceSum', [isLargest, integers([2, 3])], { keepdims: 1 });
    return [[input[0]!, emit('Mul', [isLargest, emit('Div', [gradient, ties])])]];
  },
  Concat({ input, attribute }, gradient, { emit, integers, shape }) {
    const axis = toNumber(attribute.find(({ name }) => name === 'axis')?.i ?? 0);
    let at = 0;
    return input.map((name) => {
      const start = at;
      at += shape(name).at(axis)!;
      const slice = [[start], [at], [axis]].map(integers);
      return [name, emit('Slice', [gradient, ...slice])] as const;
    });
  },
};

interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  readonly group: number;
}

/** @throws Error for padding that the graph does not state in numbers */
function windowOf({ attribute, output, ...one }: OnnxNode, kernel: readonly number[]): Window {
  const automatic = attribute.find(({ name }) => name === 'auto_pad')?.s;
  if (automatic && !['NOTSET', 'VALID'].includes(Buffer.from(automatic).toString()))
    throw new Error(`the operator Conv (${output[0]}) with automatic padding has no gradient`);
  const pair = (name: string): [number, number] => {
    const [a = 1, b = a] = attributeList({ attribute, output, ...one }, name);
    return [a, b];
  };
  const [top = 0, left = 0, bottom = 0, right = 0] = attributeList({ attribute, output, ...one }, 'pads');
  return {
    kernel: [kernel[2]!, kernel[3]!],
    strides: pair('strides'),
    dilations: pair('dilations'),
    pads: [top, left, bottom, right],
    group: toNumber(attribute.find(({ name }) => name === 'group')?.i ?? 1),
  };
}

function* convolution(
  one: OnnxNode,
  gradient: string,
  context: Context,
): Generator<readonly [string, string]> {
  const [x = '', weights = '', bias] = one.input;
  const { emit, integers, isWanted, shape } = context;
  const window = windowOf(one, shape(weights));
  if (isWanted(x)) yield [x, ofInput(one, window, gradient, context)];
  if (isWanted(weights)) yield [weights, ofWeights(one, window, gradient, context)];
  if (bias && isWanted(bias))
    yield [bias, emit('ReduceSum', [gradient, integers([0, 2, 3])], { keepdims: 0 })];
}

function ofInput(
  one: OnnxNode,
  window: Window,
  gradient: string,
  { emit, integers, shape }: Context,
): string {
  const [x = '', weights = ''] = one.input;
  const [n = 1, c = 1, ...size] = shape(x);
  const { kernel, strides, dilations, pads, group } = window;
  const [out = 1] = shape(weights);
  const isPlain = [...kernel, ...strides].every((value) => value === 1) && pads.every((pad) => pad === 0);
  // A factor for each channel, as folded batch normalisation leaves it
  if (isPlain && group === c && out === c)
    return emit('Mul', [gradient, emit('Reshape', [weights, integers([1, c, 1, 1])])]);
  if (isPlain && group === 1) {
    const matrix = emit('Transpose', [emit('Reshape', [weights, integers([out, c])])], { perm: [1, 0] });
    const product = emit('MatMul', [matrix, emit('Reshape', [gradient, integers([n, out, -1])])]);
    return emit('Reshape', [product, integers([n, c, ...size])]);
  }
  const given = shape(one.output[0]!).slice(2);
  const rest = size.map((pixels, d) => {
    const reach = strides[d]! * (given[d]! - 1) + dilations[d]! * (kernel[d]! - 1) + 1;
    return pixels - (reach - pads[d]! - pads[d + 2]!);
  });
  return emit('ConvTranspose', [gradient, weights], {
    kernel_shape: [...kernel],
    strides: [...strides],
    dilations: [...dilations],
    pads: [...pads],
    output_padding: rest,
    group,
  });
}

function ofWeights(
  one: OnnxNode,
  window: Window,
  gradient: string,
  { emit, integers, shape }: Context,
): string {
  const [x = '', weights = ''] = one.input;
  const { kernel, strides, dilations, pads, group } = window;
  if (group !== 1) throw new Error(`the operator Conv (${one.output[0]}) in groups has no gradient`);
  const [out = 1, c = 1] = shape(weights);
  const [, , rows = 1, columns = 1] = shape(one.output[0]!);
  const [top, left, bottom, right] = pads;
  const padded = pads.every((pad) => pad === 0)
    ? x
    : emit('Pad', [x, integers([0, 0, top, left, 0, 0, bottom, right])]);
  const cells = emit('Transpose', [padded], { perm: [0, 2, 3, 1] });
  const shifted: string[] = [];
  for (let i = 0; i < kernel[0]; i++) {
    for (let j = 0; j < kernel[1]; j++) {
      const from = [i * dilations[0], j * dilations[1]];
      const to = [from[0]! + (rows - 1) * strides[0] + 1, from[1]! + (columns - 1) * strides[1] + 1];
      shifted.push(emit('Slice', [cells, ...[from, to, [1, 2], [...strides]].map(integers)]));
    }
  }
  const places = shifted.length;
  const all = places > 1 ? emit('Concat', shifted, { axis: 3 }) : shifted[0]!;
  const flat = emit('Reshape', [all, integers([-1, places * c])]);
  const errors = emit('Reshape', [
    emit('Transpose', [gradient], { perm: [1, 0, 2, 3] }),
    integers([out, -1]),
  ]);
  const product = emit('MatMul', [errors, flat]);
  if (places === 1) return emit('Reshape', [product, integers([out, c, 1, 1])]);
  const apart = emit('Transpose', [emit('Reshape', [product, integers([out, places, c])])], {
    perm: [0, 2, 1],
  });
  return emit('Reshape', [apart, integers([out, c, ...kernel])]);
}
