import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../calibration/train/random.ts';
import { floatValues, tensorDims } from '../../../models/onnx/build.ts';
import { cutAt } from '../../../models/onnx/cut.ts';
import { dataType, decodeModel, encodeModel, type OnnxModel } from '../../../models/onnx/proto.ts';
import { foldModel } from '../../../models/onnx/quantize/fold.ts';
import { bins, Histogram } from '../../../models/onnx/quantize/histogram.ts';
import { insertQdq } from '../../../models/onnx/quantize/insert.ts';
import { levelsOf, quantizeWeights } from '../../../models/onnx/quantize/levels.ts';
import { exactPixels } from '../../../models/onnx/quantize/pixels.ts';
import { planOf } from '../../../models/onnx/quantize/plan.ts';
import { entropyBin, rangeOf } from '../../../models/onnx/quantize/ranges.ts';
import { fromFloat16 } from '../../../models/onnx/tensors.ts';
import { openGraph } from '../../../models/run/session-graph.ts';
import { channels, side, tinyResnet } from '../tiny-resnet.ts';

const normalisation = {
  name: 'input',
  layout: 'NCHW',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;

/** A normalised image of whole pixel values, as made by preparation. */
function picture(seed: number): Float32Array {
  const { integer } = seededRandom(seed);
  const { mean, std, scale } = normalisation;
  return Float32Array.from({ length: 3 * side * side }, (_, i) => {
    const c = Math.floor(i / (side * side));
    return (integer(256) * scale - mean[c]!) / std[c]!;
  });
}

async function run(model: OnnxModel, output: string, values: Float32Array): Promise<Float32Array> {
  const dims = [1, 3, side, side];
  await using graph = await openGraph(model, { input: 'input', dims, dimensions: { N: 1 }, threads: 1 });
  return Float32Array.from((await graph.run(values, [output])).get(output)!);
}

/** Largest difference relative to the largest value. */
function apart(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const largest = Math.max(...a.map(Math.abs));
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / largest;
}

describe('folding', () => {
  it('removes batch normalisation and redundant nodes without a change of results', async () => {
    const model = tinyResnet();
    const folded = foldModel(model);
    const left = new Set(folded.graph!.node.map(({ opType }) => opType));
    expect([...left].sort()).toEqual([
      'Add',
      'Conv',
      'Flatten',
      'Gemm',
      'GlobalAveragePool',
      'MaxPool',
      'Relu',
    ]);
    // Folded into the weights if it has one reader; otherwise it becomes a convolution per channel.
    const own = folded.graph!.node.find(({ output }) => output[0] === 'b2.bn.out')!;
    expect(own.attribute.find(({ name }) => name === 'group')?.i).toBe(channels);
    for (const seed of [1, 2, 3]) {
      expect(
        apart(await run(model, 'logits', picture(seed)), await run(folded, 'logits', picture(seed))),
      ).toBeLessThan(1e-4);
    }
  });

  it('reads weights that are stored as float16', () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x8000].map(fromFloat16)).toEqual([
      1,
      -2,
      65_504,
      2 ** -24,
      2 ** -14,
      -0,
    ]);
    expect(fromFloat16(0x7c00)).toBe(Number.POSITIVE_INFINITY);
    expect(fromFloat16(0x7e00)).toBeNaN();
  });
});

it('gives the first convolution whole pixels, with the same results up to the edge of the image', async () => {
  const folded = foldModel(cutAt(tinyResnet(), 'bn1.out.relu'));
  const exact = exactPixels(folded, normalisation)!;
  expect(exact.range).toEqual({ min: -114, max: 141 });
  expect(levelsOf(exact.range, 'uint8')).toEqual({ scale: 1, zero: 114 });
  for (const seed of [1, 2]) {
    const [a, b] = [
      await run(folded, 'bn1.out.relu', picture(seed)),
      await run(exact.model, 'bn1.out.relu', picture(seed)),
    ];
    expect(apart(a, b)).toBeLessThan(1e-4);
  }
  // A graph that begins differently is not changed.
  expect(exactPixels(folded, { ...normalisation, layout: 'NHWC' })).toBeUndefined();
});

describe('the quantized graph', () => {
  const folded = foldModel(cutAt(tinyResnet(), 'features', ['N', channels]));
  const plan = planOf(folded.graph!);
  const ranges = new Map(
    [...plan.tensors].map((name) => [name, { min: name.includes('relu') ? 0 : -4, max: 4 }]),
  );
  const model = decodeModel(encodeModel(insertQdq(folded, plan, ranges)));
  const graph = model.graph!;
  const weight = (name: string) => graph.initializer.find((one) => one.name === name)!;
  const made = new Map(graph.node.flatMap((one) => one.output.map((name) => [name, one])));

  it('has levels around every operator in 8 bits, and none after a ReLU', () => {
    expect(plan.operators.size).toBe(9);
    for (const one of graph.node) {
      if (one.opType !== 'Conv' && one.opType !== 'Add' && one.opType !== 'MaxPool') continue;
      for (const input of one.input) expect(made.get(input)?.opType).toBe('DequantizeLinear');
      const [reader] = graph.node.filter(({ input }) => input.includes(one.output[0]!));
      expect(['QuantizeLinear', 'Relu']).toContain(reader?.opType);
    }
    // The average of the map and the features stay in float.
    expect(made.get('features')?.opType).toBe('Flatten');
    expect(made.get('average')?.opType).toBe('GlobalAveragePool');
  });

  it('is standard ONNX of operator set 13 with symmetric weights per channel and 32-bit biases', () => {
    expect(model.opsetImport.map(({ version }) => Number(version))).toEqual([13]);
    const conv = graph.node.find(({ opType, output }) => opType === 'Conv' && output[0] === 'b1.bn1.out')!;
    const [, w, b] = conv.input.map((name) => made.get(name)!);
    expect(w!.attribute[0]).toMatchObject({ name: 'axis' });
    const [levels, scale, zero] = w!.input.map(weight);
    expect(tensorDims(levels!)).toEqual([channels, channels, 3, 3]);
    expect(levels!.dataType).toBe(dataType.int8);
    expect(tensorDims(scale!)).toEqual([channels]);
    expect([...new Set(zero!.rawData)]).toEqual([0]);
    expect(weight(b!.input[0]!).dataType).toBe(dataType.int32);
    // The result of a ReLU uses all levels for its possible values.
    expect([...weight('bn1.out.relu/zero').rawData!]).toEqual([0]);
    // Pooling selects values: levels before and after it are equal.
    expect(floatValues(weight('pool/scale'))).toEqual(floatValues(weight('bn1.out.relu/scale')));
  });

  it('passes the checker of ONNX itself, shapes and types included', async (context) => {
    if (spawnSync('/usr/bin/python3', ['-c', 'import onnx']).status !== 0) {
      context.skip('python3-onnx is not installed');
    }
    const check = 'import onnx,sys; onnx.checker.check_model(onnx.load(sys.stdin.buffer), full_check=True)';
    const { status, stderr } = spawnSync('/usr/bin/python3', ['-c', check], { input: encodeModel(model) });
    expect(String(stderr)).toBe('');
    expect(status).toBe(0);
  });

  it('keeps selected operators in float, and all between them', () => {
    const some = planOf(folded.graph!, new Set(['b2.sum', 'b2.conv.out']));
    expect(some.operators.has('b2.sum')).toBe(false);
    const partly = insertQdq(folded, some, ranges).graph!;
    const sum = partly.node.find(({ output }) => output[0] === 'b2.sum')!;
    expect(sum.input[0]).toBe('b2.conv.out');
  });
});

describe('ranges', () => {
  it('counts values correctly if a later image has a much larger range', () => {
    const histogram = new Histogram();
    histogram.add(Float32Array.of(0, 0.5, 1, -0.25));
    histogram.add(Float32Array.of(7.9, -3));
    expect([histogram.min, histogram.max, histogram.limit]).toEqual([-3, Math.fround(7.9), 8]);
    expect(histogram.positive.reduce((a, b) => a + b)).toBe(4);
    expect(histogram.negative.reduce((a, b) => a + b)).toBe(2);
    expect(histogram.positive[Math.floor((7.9 / 8) * bins)]).toBe(1);
    expect(rangeOf(histogram, 'minmax')).toEqual({ min: -3, max: Math.fround(7.9) });
  });

  it('cuts a ten-thousandth off each side by percentile', () => {
    const { next } = seededRandom(3);
    const histogram = new Histogram();
    const values = Float32Array.from({ length: 100_000 }, () => next());
    values.set([50, 60], 0);
    histogram.add(values);
    const { min, max } = rangeOf(histogram, 'percentile');
    expect(min).toBeCloseTo(0);
    expect(max).toBeGreaterThan(0.95);
    expect(max).toBeLessThan(1.1);
  });

  it('clips by entropy at the same point as numpy', () => {
    const file = fileURLToPath(
      new URL('../../../../test/models/fixtures/entropy-numpy.json', import.meta.url),
    );
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as {
      cases: { kind: string; counts: number[]; bins: Record<string, number> }[];
    };
    const found = cases.map(({ kind, counts }) => ({
      kind,
      bins: Object.fromEntries(
        [128, 256].map((levels) => [levels, entropyBin(Float64Array.from(counts), levels)]),
      ),
    }));
    expect(found).toEqual(cases.map(({ kind, bins: expected }) => ({ kind, bins: expected })));
  });
});

it('rounds weights so that each window keeps its sum, and makes room for a large bias', () => {
  const { next } = seededRandom(5);
  const values = Float32Array.from({ length: 2 * 3 * 9 }, () => next() - 0.3);
  const { values: levels, scales } = quantizeWeights(values, [2, 3, 3, 3], new Float32Array(2), 0.1);
  for (let window = 0; window < 6; window++) {
    const scale = scales[Math.floor(window / 3)]!;
    let rest = 0;
    for (let i = window * 9; i < window * 9 + 9; i++) {
      rest += values[i]! / scale - levels[i]!;
      expect(Math.abs(values[i]! / scale - levels[i]!)).toBeLessThanOrEqual(1.001);
    }
    expect(Math.abs(rest)).toBeLessThanOrEqual(1.001);
  }
  const large = quantizeWeights(Float32Array.of(1e-9), [1, 1, 1, 1], Float32Array.of(1e6), 0.01);
  expect(1e6 / (0.01 * large.scales[0]!)).toBeLessThan(2 ** 31);
});
