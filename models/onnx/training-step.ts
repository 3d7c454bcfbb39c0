/**
 * One step of fine-tuning as an ONNX graph: the last block of a base (tail.ts) and a linear head forward, the loss, all gradients, and the
 * update of the weights.
 *
 *   inputs    the entry and the other tensors of the tail, `target` [N,K], `share` [N,1]: weight of each part in the loss,
 *             each parameter p with its moments p/m and p/v and its start p/0, `rate` and `head_rate`, `first` and `second`: 1 − βᵗ
 *   outputs   `loss`, and p/next, p/m/next, p/v/next of each parameter
 *
 * The head takes standardised Hellinger features (head.ts). The loss is the cross-entropy; the update is Adam (Kingma and Ba, ICLR 2015) with
 * decay towards the start (L2-SP; Li, Grandvalet, Davoine, ICML 2018), decoupled as in AdamW.
 */
import { minSum } from '../head.ts';
import { buildModel, floatTensor, node, shapeTensor, valueInfo } from './build.ts';
import { backward } from './gradients.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from './proto.ts';
import type { Tail } from './tail.ts';

export interface StepOptions {
  readonly tail: Tail;
  /** Weights that the tail reads. */
  readonly weights: readonly OnnxTensor[];
  /** With the batch, of all tensors of the tail. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly classes: number;
  /** Decay of the base's weights towards their start, in one step of rate 1. */
  readonly decay: number;
  /** The same for the head. */
  readonly headDecay: number;
}

export const headParameters = ['head/weights', 'head/bias'] as const;
/** Decay of the moments of Adam. */
export const beta = { first: 0.9, second: 0.999 };
/** Limits the gradient of a root near zero. */
const minRoot = 1e-3;
const stability = 1e-8;

const constant = (name: string, value: number) => floatTensor(name, [1], Float32Array.of(value));

/** `features` → `probabilities` */
const headNodes = (features: string): OnnxNode[] => [
  node('Reshape', [features, 'head/shape'], ['head/x']),
  node('Abs', ['head/x'], ['head/sizes']),
  node('ReduceL1', ['head/x'], ['head/sum'], { axes: [1], keepdims: 1 }),
  node('Max', ['head/sum', 'head/least'], ['head/divisor']),
  node('Div', ['head/sizes', 'head/divisor'], ['head/portions']),
  node('Sqrt', ['head/portions'], ['head/roots']),
  node('Sign', ['head/x'], ['head/signs']),
  node('Mul', ['head/roots', 'head/signs'], ['head/transformed']),
  node('Sub', ['head/transformed', 'head/mean'], ['head/centred']),
  node('Mul', ['head/centred', 'head/scale'], ['head/z']),
  node('Gemm', ['head/z', 'head/weights', 'head/bias'], ['logits'], { transB: 1 }),
  node('Softmax', ['logits'], ['probabilities'], { axis: 1 }),
];

/** Gradients of loss with respect to the head's parameters and the features. */
const headGradients: readonly OnnxNode[] = [
  node('Sub', ['probabilities', 'target'], ['head/miss']),
  node('Mul', ['head/miss', 'share'], ['head/logits_gradient']),
  node('Gemm', ['head/logits_gradient', 'head/z'], ['head/weights/gradient'], { transA: 1 }),
  node('ReduceSum', ['head/logits_gradient', 'head/rows'], ['head/bias/gradient'], { keepdims: 0 }),
  node('MatMul', ['head/logits_gradient', 'head/weights'], ['head/z_gradient']),
  node('Mul', ['head/z_gradient', 'head/scale'], ['head/t_gradient']),
  // t = sign(x)·√(|x|/S): dt/dx = 1/(2·√(|x|·S)) on the diagonal, −t/(2·S)·sign(x) through the sum
  node('Max', ['head/roots', 'head/min_root'], ['head/safe_roots']),
  node('Div', ['head/t_gradient', 'head/safe_roots'], ['head/direct']),
  node('Mul', ['head/t_gradient', 'head/transformed'], ['head/along']),
  node('ReduceSum', ['head/along', 'head/columns'], ['head/along_sum'], { keepdims: 1 }),
  node('Mul', ['head/along_sum', 'head/signs'], ['head/through_sum']),
  node('Sub', ['head/direct', 'head/through_sum'], ['head/twice']),
  node('Div', ['head/twice', 'head/divisor'], ['head/of_sum']),
  node('Mul', ['head/of_sum', 'head/half'], ['head/x_gradient']),
];

const lossNodes: readonly OnnxNode[] = [
  node('LogSoftmax', ['logits'], ['log_probabilities'], { axis: 1 }),
  node('Mul', ['log_probabilities', 'target'], ['loss/of_target']),
  node('Mul', ['loss/of_target', 'share'], ['loss/shares']),
  node('ReduceSum', ['loss/shares'], ['loss/negative'], { keepdims: 0 }),
  node('Neg', ['loss/negative'], ['loss']),
];

function headConstants(size: number, batch: number): OnnxTensor[] {
  return [
    shapeTensor('head/shape', [batch, size]),
    shapeTensor('head/rows', [0]),
    shapeTensor('head/columns', [1]),
    constant('head/least', minSum),
    constant('head/min_root', minRoot),
    constant('head/half', 0.5),
  ];
}

/** p/next, p/m/next and p/v/next. */
function updateNodes(p: string, gradient: string, rate: string, decay: string): OnnxNode[] {
  const of = (name: string) => `${p}/update/${name}`;
  return [
    node('Mul', [`${p}/m`, 'adam/b1'], [of('kept_m')]),
    node('Mul', [gradient, 'adam/1-b1'], [of('new_m')]),
    node('Add', [of('kept_m'), of('new_m')], [`${p}/m/next`]),
    node('Mul', [gradient, gradient], [of('square')]),
    node('Mul', [`${p}/v`, 'adam/b2'], [of('kept_v')]),
    node('Mul', [of('square'), 'adam/1-b2'], [of('new_v')]),
    node('Add', [of('kept_v'), of('new_v')], [`${p}/v/next`]),
    node('Div', [`${p}/m/next`, 'first'], [of('m')]),
    node('Div', [`${p}/v/next`, 'second'], [of('v')]),
    node('Sqrt', [of('v')], [of('root')]),
    node('Add', [of('root'), 'adam/stability'], [of('divisor')]),
    node('Div', [of('m'), of('divisor')], [of('direction')]),
    node('Sub', [p, `${p}/0`], [of('moved')]),
    node('Mul', [of('moved'), decay], [of('back')]),
    node('Add', [of('direction'), of('back')], [of('step')]),
    node('Mul', [of('step'), rate], [of('scaled')]),
    node('Sub', [p, of('scaled')], [`${p}/next`]),
  ];
}

/** Forward only: `probabilities` [N,K] and the features. */
export function forwardGraph({ tail, weights, shapes, classes }: StepOptions): OnnxModel {
  const [batch = 1] = shapes.get(tail.entry)!;
  const size = featureSize(tail, shapes, batch);
  return buildModel({
    name: 'forward',
    node: [...tail.nodes, ...headNodes(tail.features)],
    initializer: [...fixed(tail, weights), ...headConstants(size, batch)],
    input: dataInputs(tail, shapes, size, classes),
    output: [valueInfo('probabilities', [batch, classes]), valueInfo('head/x', [batch, size])],
  });
}

/** @throws Error that names an operator without a gradient */
export function stepGraph(options: StepOptions): OnnxModel {
  const { tail, weights, shapes, classes, decay, headDecay } = options;
  const [batch = 1] = shapes.get(tail.entry)!;
  const size = featureSize(tail, shapes, batch);
  const back = backward({
    nodes: tail.nodes,
    shapes,
    parameters: tail.parameters,
    from: { tensor: tail.features, gradient: 'features/gradient' },
  });
  const parameters = trainedOf(options);
  return buildModel({
    name: 'step',
    node: [
      ...tail.nodes,
      ...headNodes(tail.features),
      ...lossNodes,
      ...headGradients,
      node('Reshape', ['head/x_gradient', 'features/shape'], ['features/gradient']),
      ...back.node,
      ...tail.parameters.flatMap((p) => updateNodes(p, back.gradients.get(p)!, 'rate', 'adam/decay')),
      ...headParameters.flatMap((p) => updateNodes(p, `${p}/gradient`, 'head_rate', 'adam/head_decay')),
    ],
    initializer: [
      ...fixed(tail, weights),
      ...headConstants(size, batch),
      shapeTensor('features/shape', shapes.get(tail.features)!),
      ...back.initializer,
      constant('adam/b1', beta.first),
      constant('adam/1-b1', 1 - beta.first),
      constant('adam/b2', beta.second),
      constant('adam/1-b2', 1 - beta.second),
      constant('adam/stability', stability),
      constant('adam/decay', decay),
      constant('adam/head_decay', headDecay),
    ],
    input: [
      ...dataInputs(tail, shapes, size, classes),
      valueInfo('target', [batch, classes]),
      valueInfo('share', [batch, 1]),
      ...parameters.flatMap(({ name, dims }) =>
        ['m', 'v', '0'].map((part) => valueInfo(`${name}/${part}`, dims)),
      ),
      ...['rate', 'head_rate', 'first', 'second'].map((name) => valueInfo(name, [1])),
    ],
    output: [
      valueInfo('loss', []),
      ...parameters.flatMap(({ name, dims }) =>
        ['next', 'm/next', 'v/next'].map((part) => valueInfo(`${name}/${part}`, dims)),
      ),
    ],
  });
}

/** Names and shapes of everything that is trained: the tail's parameters and the head's. */
export function trainedOf({ tail, shapes, classes }: Pick<StepOptions, 'tail' | 'shapes' | 'classes'>) {
  const [batch = 1] = shapes.get(tail.entry)!;
  const size = featureSize(tail, shapes, batch);
  return [
    ...tail.parameters.map((name) => ({ name, dims: shapes.get(name)! })),
    { name: 'head/weights', dims: [classes, size] },
    { name: 'head/bias', dims: [classes] },
  ];
}

const featureSize = ({ features }: Tail, shapes: StepOptions['shapes'], batch: number) =>
  shapes.get(features)!.reduce((a, b) => a * b, 1) / batch;

const fixed = ({ parameters }: Tail, weights: readonly OnnxTensor[]) =>
  weights.filter(({ name }) => !parameters.includes(name ?? ''));

function dataInputs(tail: Tail, shapes: StepOptions['shapes'], size: number, classes: number) {
  return [
    ...[tail.entry, ...tail.others].map((name) => valueInfo(name, shapes.get(name)!)),
    ...trainedOf({ tail, shapes, classes }).map(({ name, dims }) => valueInfo(name, dims)),
    valueInfo('head/mean', [size]),
    valueInfo('head/scale', [size]),
  ];
}
