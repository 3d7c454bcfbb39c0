import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../calibration/train/random.ts';
import { floatTensor, node } from '../../../models/onnx/build.ts';
import { backward } from '../../../models/onnx/gradients.ts';
import type { OnnxNode, OnnxTensor } from '../../../models/onnx/proto.ts';
import type { Tail } from '../../../models/onnx/tail.ts';
import { forwardGraph, headParameters, stepGraph, trainedOf } from '../../../models/onnx/training-step.ts';
import { openSteps, type Steps, type Values } from '../../../models/run/session-graph.ts';

const batch = 3;
const classes = 3;

interface Layer {
  readonly node: OnnxNode;
  /** Of the output. */
  readonly dims: readonly number[];
}

/** A block with every supported operator: stride, padding, dilation, groups, shortcut, both pools. */
const layers: readonly Layer[] = [
  { node: node('Conv', ['x', 'w1', 'b1'], ['a1'], { kernel_shape: [1, 1] }), dims: [6, 7, 7] },
  { node: node('Relu', ['a1'], ['r1']), dims: [6, 7, 7] },
  {
    node: node('Conv', ['r1', 'w2', 'b2'], ['a2'], {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: [1, 1, 1, 1],
    }),
    dims: [5, 4, 4],
  },
  { node: node('Clip', ['a2', 'least', 'most'], ['r2']), dims: [5, 4, 4] },
  {
    node: node('Conv', ['r2', 'per_channel', 'offsets'], ['a3'], { kernel_shape: [1, 1], group: 5 }),
    dims: [5, 4, 4],
  },
  {
    node: node('Conv', ['a3', 'w3'], ['a4'], { kernel_shape: [3, 3], dilations: [2, 2], pads: [2, 2, 2, 2] }),
    dims: [4, 4, 4],
  },
  { node: node('Conv', ['x', 'w4'], ['a5'], { kernel_shape: [1, 1], strides: [2, 2] }), dims: [4, 4, 4] },
  { node: node('Add', ['a4', 'a5'], ['sum']), dims: [4, 4, 4] },
  { node: node('GlobalAveragePool', ['sum'], ['mean']), dims: [4, 1, 1] },
  { node: node('GlobalMaxPool', ['sum'], ['max']), dims: [4, 1, 1] },
  { node: node('Concat', ['earlier', 'mean', 'max'], ['pooled'], { axis: 1 }), dims: [10, 1, 1] },
  { node: node('Flatten', ['pooled'], ['features']), dims: [10] },
];
const sizes: Readonly<Record<string, readonly number[]>> = {
  w1: [6, 4, 1, 1],
  b1: [6],
  w2: [5, 6, 3, 3],
  b2: [5],
  per_channel: [5, 1, 1, 1],
  offsets: [5],
  w3: [4, 5, 3, 3],
  w4: [4, 4, 1, 1],
};
const tail: Tail = {
  entry: 'x',
  map: 'sum',
  others: ['earlier'],
  nodes: layers.map((layer) => layer.node),
  features: 'features',
  parameters: ['w1', 'b1', 'w2', 'b2', 'w3', 'w4'],
};

function setUp() {
  const random = seededRandom(7);
  const fill = (count: number, from = -1, to = 1) =>
    Float32Array.from({ length: count }, () => random.between(from, to));
  const weights: OnnxTensor[] = Object.entries(sizes).map(([name, dims]) =>
    floatTensor(
      name,
      dims,
      fill(
        dims.reduce((a, b) => a * b, 1),
        -0.6,
        0.6,
      ),
    ),
  );
  weights.push(floatTensor('least', [], Float32Array.of(-0.5)), floatTensor('most', [], Float32Array.of(1)));
  const shapes = new Map<string, readonly number[]>([
    ['x', [batch, 4, 7, 7]],
    ['earlier', [batch, 2, 1, 1]],
    ...layers.map(({ node: { output }, dims }) => [output[0]!, [batch, ...dims]] as const),
    ...Object.entries(sizes),
  ]);
  const options = { tail, weights, shapes, classes, decay: 0, headDecay: 0 };
  const trained = trainedOf(options);
  const start = new Map(
    trained.map(({ name, dims }) => {
      const given = weights.find((one) => one.name === name)?.rawData;
      const size = dims.reduce((a, b) => a * b, 1);
      return [name, given ? new Float32Array(given.slice().buffer) : fill(size)] as const;
    }),
  );
  const target = new Float32Array(batch * classes);
  for (let n = 0; n < batch; n++) target[n * classes + (n % classes)] = 1;
  const data = new Map<string, Values>([
    ['x', { data: fill(batch * 4 * 49), dims: [batch, 4, 7, 7] }],
    ['earlier', { data: fill(batch * 2, 0.2, 1), dims: [batch, 2, 1, 1] }],
    ['head/mean', { data: fill(10, -0.1, 0.1), dims: [10] }],
    ['head/scale', { data: fill(10, 0.5, 2), dims: [10] }],
    ['target', { data: target, dims: [batch, classes] }],
    ['share', { data: Float32Array.of(0.5, 0.2, 0.3), dims: [batch, 1] }],
    ...['rate', 'head_rate', 'first', 'second'].map(
      (name) => [name, { data: Float32Array.of(name === 'first' ? 0.1 : 0.001), dims: [1] }] as const,
    ),
  ]);
  return { options, trained, start, data, random };
}

function inputsOf(
  { trained, start, data }: ReturnType<typeof setUp>,
  values: ReadonlyMap<string, Float32Array> = start,
) {
  return new Map<string, Values>([
    ...data,
    ...trained.flatMap(({ name, dims }): (readonly [string, Values])[] => [
      [name, { data: values.get(name)!, dims }],
      [`${name}/0`, { data: start.get(name)!, dims }],
      [`${name}/m`, { data: new Float32Array(values.get(name)!.length), dims }],
      [`${name}/v`, { data: new Float32Array(values.get(name)!.length), dims }],
    ]),
  ]);
}

describe('gradients as ONNX nodes', () => {
  it('agree with finite differences of the loss', async () => {
    const all = setUp();
    await using step: Steps = await openSteps(stepGraph(all.options), 1);
    const names = [...tail.parameters, ...headParameters];
    const outputs = await step.run(inputsOf(all), ['loss', ...names.map((name) => `${name}/m/next`)]);
    const lossAt = async (name: string, at: number, by: number) => {
      const moved = all.start.get(name)!.slice();
      moved[at]! += by;
      const values = new Map([...all.start, [name, moved]]);
      return (await step.run(inputsOf(all, values), ['loss'])).get('loss')!.data[0]!;
    };
    for (const name of names) {
      const gradient = outputs.get(`${name}/m/next`)!.data.map((value) => value / 0.1);
      const largest = Math.max(...gradient.map(Math.abs));
      expect(largest, name).toBeGreaterThan(1e-4);
      for (let tried = 0; tried < 12; tried++) {
        const at = all.random.integer(gradient.length);
        // A large step may cross a kink of Relu or of the maximum, a small one is rounded.
        const errors: number[] = [];
        for (const by of [4e-3, 1e-3, 3e-4]) {
          const difference = ((await lossAt(name, at, by)) - (await lossAt(name, at, -by))) / (2 * by);
          errors.push(Math.abs(difference - gradient[at]!));
        }
        expect(Math.min(...errors), `${name}[${at}]`).toBeLessThan(0.01 * largest + 2e-4);
      }
    }
  });

  it('lower the loss when the weights follow them', async () => {
    const all = setUp();
    await using step = await openSteps(stepGraph(all.options), 1);
    await using forward = await openSteps(forwardGraph(all.options), 1);
    const names = [...tail.parameters, ...headParameters];
    let values: ReadonlyMap<string, Float32Array> = all.start;
    const losses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const inputs = inputsOf(all, values);
      for (const name of ['rate', 'head_rate']) inputs.set(name, { data: Float32Array.of(0.004), dims: [1] });
      const outputs = await step.run(inputs, ['loss', ...names.map((name) => `${name}/next`)]);
      losses.push(outputs.get('loss')!.data[0]!);
      values = new Map(names.map((name) => [name, outputs.get(`${name}/next`)!.data]));
    }
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
    const unused = /target|share|rate|first|second|\/[mv0]$/;
    const inputs = new Map([...inputsOf(all, values)].filter(([name]) => !unused.test(name)));
    const { data } = (await forward.run(inputs, ['probabilities'])).get('probabilities')!;
    expect(data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(batch, 4);
  });

  it('name an operator without a gradient', () => {
    const { options } = setUp();
    const nodes = [node('HardSwish', ['w1'], ['features'])];
    expect(() =>
      backward({
        nodes,
        shapes: options.shapes,
        parameters: ['w1'],
        from: { tensor: 'features', gradient: 'g' },
      }),
    ).toThrow('HardSwish');
  });
});
